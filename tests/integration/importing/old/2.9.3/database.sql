CREATE TABLE ab_permission (
	id INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	CONSTRAINT ab_permission_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_permission_name_uq UNIQUE (name)
);
INSERT INTO "ab_permission" VALUES(1,'can_edit');
INSERT INTO "ab_permission" VALUES(2,'can_read');
INSERT INTO "ab_permission" VALUES(3,'can_create');
INSERT INTO "ab_permission" VALUES(4,'can_delete');
INSERT INTO "ab_permission" VALUES(5,'menu_access');
CREATE TABLE ab_permission_view (
	id INTEGER NOT NULL, 
	permission_id INTEGER, 
	view_menu_id INTEGER, 
	CONSTRAINT ab_permission_view_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_permission_view_permission_id_view_menu_id_uq UNIQUE (permission_id, view_menu_id), 
	CONSTRAINT ab_permission_view_permission_id_fkey FOREIGN KEY(permission_id) REFERENCES ab_permission (id), 
	CONSTRAINT ab_permission_view_view_menu_id_fkey FOREIGN KEY(view_menu_id) REFERENCES ab_view_menu (id)
);
INSERT INTO "ab_permission_view" VALUES(1,1,4);
INSERT INTO "ab_permission_view" VALUES(2,2,4);
INSERT INTO "ab_permission_view" VALUES(3,1,5);
INSERT INTO "ab_permission_view" VALUES(4,2,5);
INSERT INTO "ab_permission_view" VALUES(5,1,6);
INSERT INTO "ab_permission_view" VALUES(6,2,6);
INSERT INTO "ab_permission_view" VALUES(7,3,8);
INSERT INTO "ab_permission_view" VALUES(8,2,8);
INSERT INTO "ab_permission_view" VALUES(9,1,8);
INSERT INTO "ab_permission_view" VALUES(10,4,8);
INSERT INTO "ab_permission_view" VALUES(11,5,9);
INSERT INTO "ab_permission_view" VALUES(12,5,10);
INSERT INTO "ab_permission_view" VALUES(13,3,11);
INSERT INTO "ab_permission_view" VALUES(14,2,11);
INSERT INTO "ab_permission_view" VALUES(15,1,11);
INSERT INTO "ab_permission_view" VALUES(16,4,11);
INSERT INTO "ab_permission_view" VALUES(17,5,12);
INSERT INTO "ab_permission_view" VALUES(18,2,13);
INSERT INTO "ab_permission_view" VALUES(19,5,14);
INSERT INTO "ab_permission_view" VALUES(20,2,15);
INSERT INTO "ab_permission_view" VALUES(21,5,16);
INSERT INTO "ab_permission_view" VALUES(22,2,17);
INSERT INTO "ab_permission_view" VALUES(23,5,18);
INSERT INTO "ab_permission_view" VALUES(24,2,19);
INSERT INTO "ab_permission_view" VALUES(25,5,20);
INSERT INTO "ab_permission_view" VALUES(26,1,21);
INSERT INTO "ab_permission_view" VALUES(27,4,21);
INSERT INTO "ab_permission_view" VALUES(28,2,21);
INSERT INTO "ab_permission_view" VALUES(29,2,22);
INSERT INTO "ab_permission_view" VALUES(30,2,23);
INSERT INTO "ab_permission_view" VALUES(31,2,24);
INSERT INTO "ab_permission_view" VALUES(32,2,25);
INSERT INTO "ab_permission_view" VALUES(33,2,26);
INSERT INTO "ab_permission_view" VALUES(34,2,27);
INSERT INTO "ab_permission_view" VALUES(35,2,28);
INSERT INTO "ab_permission_view" VALUES(36,2,29);
INSERT INTO "ab_permission_view" VALUES(37,2,30);
INSERT INTO "ab_permission_view" VALUES(38,2,31);
INSERT INTO "ab_permission_view" VALUES(39,2,32);
INSERT INTO "ab_permission_view" VALUES(40,2,33);
INSERT INTO "ab_permission_view" VALUES(41,2,34);
INSERT INTO "ab_permission_view" VALUES(42,2,35);
INSERT INTO "ab_permission_view" VALUES(43,5,36);
INSERT INTO "ab_permission_view" VALUES(44,5,21);
INSERT INTO "ab_permission_view" VALUES(45,5,22);
INSERT INTO "ab_permission_view" VALUES(46,5,24);
INSERT INTO "ab_permission_view" VALUES(47,5,25);
INSERT INTO "ab_permission_view" VALUES(48,5,26);
INSERT INTO "ab_permission_view" VALUES(49,5,37);
INSERT INTO "ab_permission_view" VALUES(50,5,38);
INSERT INTO "ab_permission_view" VALUES(51,5,30);
INSERT INTO "ab_permission_view" VALUES(52,5,31);
INSERT INTO "ab_permission_view" VALUES(53,5,32);
INSERT INTO "ab_permission_view" VALUES(54,3,32);
INSERT INTO "ab_permission_view" VALUES(55,1,32);
INSERT INTO "ab_permission_view" VALUES(56,4,32);
INSERT INTO "ab_permission_view" VALUES(57,3,24);
INSERT INTO "ab_permission_view" VALUES(58,1,24);
INSERT INTO "ab_permission_view" VALUES(59,4,24);
INSERT INTO "ab_permission_view" VALUES(60,3,25);
INSERT INTO "ab_permission_view" VALUES(61,2,39);
INSERT INTO "ab_permission_view" VALUES(62,5,40);
INSERT INTO "ab_permission_view" VALUES(63,5,39);
INSERT INTO "ab_permission_view" VALUES(64,5,41);
INSERT INTO "ab_permission_view" VALUES(65,5,27);
INSERT INTO "ab_permission_view" VALUES(66,5,42);
INSERT INTO "ab_permission_view" VALUES(67,5,43);
INSERT INTO "ab_permission_view" VALUES(68,5,44);
INSERT INTO "ab_permission_view" VALUES(69,5,34);
INSERT INTO "ab_permission_view" VALUES(70,3,41);
INSERT INTO "ab_permission_view" VALUES(71,2,41);
INSERT INTO "ab_permission_view" VALUES(72,1,41);
INSERT INTO "ab_permission_view" VALUES(73,4,41);
INSERT INTO "ab_permission_view" VALUES(74,3,27);
INSERT INTO "ab_permission_view" VALUES(75,1,27);
INSERT INTO "ab_permission_view" VALUES(76,4,27);
INSERT INTO "ab_permission_view" VALUES(77,2,42);
INSERT INTO "ab_permission_view" VALUES(78,2,44);
INSERT INTO "ab_permission_view" VALUES(79,3,43);
INSERT INTO "ab_permission_view" VALUES(80,2,43);
INSERT INTO "ab_permission_view" VALUES(81,1,43);
INSERT INTO "ab_permission_view" VALUES(82,4,43);
INSERT INTO "ab_permission_view" VALUES(83,4,34);
INSERT INTO "ab_permission_view" VALUES(84,4,25);
INSERT INTO "ab_permission_view" VALUES(85,2,45);
INSERT INTO "ab_permission_view" VALUES(86,5,45);
INSERT INTO "ab_permission_view" VALUES(87,2,46);
INSERT INTO "ab_permission_view" VALUES(88,5,46);
INSERT INTO "ab_permission_view" VALUES(89,2,47);
INSERT INTO "ab_permission_view" VALUES(90,5,47);
INSERT INTO "ab_permission_view" VALUES(91,1,48);
INSERT INTO "ab_permission_view" VALUES(92,4,48);
INSERT INTO "ab_permission_view" VALUES(93,2,48);
INSERT INTO "ab_permission_view" VALUES(94,1,49);
INSERT INTO "ab_permission_view" VALUES(95,4,49);
INSERT INTO "ab_permission_view" VALUES(96,2,49);
INSERT INTO "ab_permission_view" VALUES(97,1,50);
INSERT INTO "ab_permission_view" VALUES(98,4,50);
INSERT INTO "ab_permission_view" VALUES(99,2,50);
INSERT INTO "ab_permission_view" VALUES(100,1,51);
INSERT INTO "ab_permission_view" VALUES(101,4,51);
INSERT INTO "ab_permission_view" VALUES(102,2,51);
INSERT INTO "ab_permission_view" VALUES(103,1,52);
INSERT INTO "ab_permission_view" VALUES(104,4,52);
INSERT INTO "ab_permission_view" VALUES(105,2,52);
INSERT INTO "ab_permission_view" VALUES(106,1,53);
INSERT INTO "ab_permission_view" VALUES(107,4,53);
INSERT INTO "ab_permission_view" VALUES(108,2,53);
INSERT INTO "ab_permission_view" VALUES(109,4,31);
INSERT INTO "ab_permission_view" VALUES(110,1,31);
CREATE TABLE ab_permission_view_role (
	id INTEGER NOT NULL, 
	permission_view_id INTEGER, 
	role_id INTEGER, 
	CONSTRAINT ab_permission_view_role_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_permission_view_role_permission_view_id_role_id_uq UNIQUE (permission_view_id, role_id), 
	CONSTRAINT ab_permission_view_role_permission_view_id_fkey FOREIGN KEY(permission_view_id) REFERENCES ab_permission_view (id), 
	CONSTRAINT ab_permission_view_role_role_id_fkey FOREIGN KEY(role_id) REFERENCES ab_role (id)
);
INSERT INTO "ab_permission_view_role" VALUES(1,1,1);
INSERT INTO "ab_permission_view_role" VALUES(2,2,1);
INSERT INTO "ab_permission_view_role" VALUES(3,3,1);
INSERT INTO "ab_permission_view_role" VALUES(4,4,1);
INSERT INTO "ab_permission_view_role" VALUES(5,5,1);
INSERT INTO "ab_permission_view_role" VALUES(6,6,1);
INSERT INTO "ab_permission_view_role" VALUES(7,7,1);
INSERT INTO "ab_permission_view_role" VALUES(8,8,1);
INSERT INTO "ab_permission_view_role" VALUES(9,9,1);
INSERT INTO "ab_permission_view_role" VALUES(10,10,1);
INSERT INTO "ab_permission_view_role" VALUES(11,11,1);
INSERT INTO "ab_permission_view_role" VALUES(12,12,1);
INSERT INTO "ab_permission_view_role" VALUES(13,13,1);
INSERT INTO "ab_permission_view_role" VALUES(14,14,1);
INSERT INTO "ab_permission_view_role" VALUES(15,15,1);
INSERT INTO "ab_permission_view_role" VALUES(16,16,1);
INSERT INTO "ab_permission_view_role" VALUES(17,17,1);
INSERT INTO "ab_permission_view_role" VALUES(18,18,1);
INSERT INTO "ab_permission_view_role" VALUES(19,19,1);
INSERT INTO "ab_permission_view_role" VALUES(20,20,1);
INSERT INTO "ab_permission_view_role" VALUES(21,21,1);
INSERT INTO "ab_permission_view_role" VALUES(22,22,1);
INSERT INTO "ab_permission_view_role" VALUES(23,23,1);
INSERT INTO "ab_permission_view_role" VALUES(24,24,1);
INSERT INTO "ab_permission_view_role" VALUES(25,25,1);
INSERT INTO "ab_permission_view_role" VALUES(26,28,3);
INSERT INTO "ab_permission_view_role" VALUES(27,29,3);
INSERT INTO "ab_permission_view_role" VALUES(28,30,3);
INSERT INTO "ab_permission_view_role" VALUES(29,31,3);
INSERT INTO "ab_permission_view_role" VALUES(30,32,3);
INSERT INTO "ab_permission_view_role" VALUES(31,33,3);
INSERT INTO "ab_permission_view_role" VALUES(32,34,3);
INSERT INTO "ab_permission_view_role" VALUES(33,35,3);
INSERT INTO "ab_permission_view_role" VALUES(34,36,3);
INSERT INTO "ab_permission_view_role" VALUES(35,37,3);
INSERT INTO "ab_permission_view_role" VALUES(36,4,3);
INSERT INTO "ab_permission_view_role" VALUES(37,3,3);
INSERT INTO "ab_permission_view_role" VALUES(38,6,3);
INSERT INTO "ab_permission_view_role" VALUES(39,5,3);
INSERT INTO "ab_permission_view_role" VALUES(40,38,3);
INSERT INTO "ab_permission_view_role" VALUES(41,39,3);
INSERT INTO "ab_permission_view_role" VALUES(42,40,3);
INSERT INTO "ab_permission_view_role" VALUES(43,41,3);
INSERT INTO "ab_permission_view_role" VALUES(44,42,3);
INSERT INTO "ab_permission_view_role" VALUES(45,43,3);
INSERT INTO "ab_permission_view_role" VALUES(46,44,3);
INSERT INTO "ab_permission_view_role" VALUES(47,45,3);
INSERT INTO "ab_permission_view_role" VALUES(48,46,3);
INSERT INTO "ab_permission_view_role" VALUES(49,47,3);
INSERT INTO "ab_permission_view_role" VALUES(50,48,3);
INSERT INTO "ab_permission_view_role" VALUES(51,49,3);
INSERT INTO "ab_permission_view_role" VALUES(52,50,3);
INSERT INTO "ab_permission_view_role" VALUES(53,51,3);
INSERT INTO "ab_permission_view_role" VALUES(54,52,3);
INSERT INTO "ab_permission_view_role" VALUES(55,53,3);
INSERT INTO "ab_permission_view_role" VALUES(56,28,4);
INSERT INTO "ab_permission_view_role" VALUES(57,29,4);
INSERT INTO "ab_permission_view_role" VALUES(58,30,4);
INSERT INTO "ab_permission_view_role" VALUES(59,31,4);
INSERT INTO "ab_permission_view_role" VALUES(60,32,4);
INSERT INTO "ab_permission_view_role" VALUES(61,33,4);
INSERT INTO "ab_permission_view_role" VALUES(62,34,4);
INSERT INTO "ab_permission_view_role" VALUES(63,35,4);
INSERT INTO "ab_permission_view_role" VALUES(64,36,4);
INSERT INTO "ab_permission_view_role" VALUES(65,37,4);
INSERT INTO "ab_permission_view_role" VALUES(66,4,4);
INSERT INTO "ab_permission_view_role" VALUES(67,3,4);
INSERT INTO "ab_permission_view_role" VALUES(68,6,4);
INSERT INTO "ab_permission_view_role" VALUES(69,5,4);
INSERT INTO "ab_permission_view_role" VALUES(70,38,4);
INSERT INTO "ab_permission_view_role" VALUES(71,39,4);
INSERT INTO "ab_permission_view_role" VALUES(72,40,4);
INSERT INTO "ab_permission_view_role" VALUES(73,41,4);
INSERT INTO "ab_permission_view_role" VALUES(74,42,4);
INSERT INTO "ab_permission_view_role" VALUES(75,43,4);
INSERT INTO "ab_permission_view_role" VALUES(76,44,4);
INSERT INTO "ab_permission_view_role" VALUES(77,45,4);
INSERT INTO "ab_permission_view_role" VALUES(78,46,4);
INSERT INTO "ab_permission_view_role" VALUES(79,47,4);
INSERT INTO "ab_permission_view_role" VALUES(80,48,4);
INSERT INTO "ab_permission_view_role" VALUES(81,49,4);
INSERT INTO "ab_permission_view_role" VALUES(82,50,4);
INSERT INTO "ab_permission_view_role" VALUES(83,51,4);
INSERT INTO "ab_permission_view_role" VALUES(84,52,4);
INSERT INTO "ab_permission_view_role" VALUES(85,53,4);
INSERT INTO "ab_permission_view_role" VALUES(86,26,4);
INSERT INTO "ab_permission_view_role" VALUES(87,27,4);
INSERT INTO "ab_permission_view_role" VALUES(88,54,4);
INSERT INTO "ab_permission_view_role" VALUES(89,55,4);
INSERT INTO "ab_permission_view_role" VALUES(90,56,4);
INSERT INTO "ab_permission_view_role" VALUES(91,57,4);
INSERT INTO "ab_permission_view_role" VALUES(92,58,4);
INSERT INTO "ab_permission_view_role" VALUES(93,59,4);
INSERT INTO "ab_permission_view_role" VALUES(94,60,4);
INSERT INTO "ab_permission_view_role" VALUES(95,28,5);
INSERT INTO "ab_permission_view_role" VALUES(96,29,5);
INSERT INTO "ab_permission_view_role" VALUES(97,30,5);
INSERT INTO "ab_permission_view_role" VALUES(98,31,5);
INSERT INTO "ab_permission_view_role" VALUES(99,32,5);
INSERT INTO "ab_permission_view_role" VALUES(100,33,5);
INSERT INTO "ab_permission_view_role" VALUES(101,34,5);
INSERT INTO "ab_permission_view_role" VALUES(102,35,5);
INSERT INTO "ab_permission_view_role" VALUES(103,36,5);
INSERT INTO "ab_permission_view_role" VALUES(104,37,5);
INSERT INTO "ab_permission_view_role" VALUES(105,4,5);
INSERT INTO "ab_permission_view_role" VALUES(106,3,5);
INSERT INTO "ab_permission_view_role" VALUES(107,6,5);
INSERT INTO "ab_permission_view_role" VALUES(108,5,5);
INSERT INTO "ab_permission_view_role" VALUES(109,38,5);
INSERT INTO "ab_permission_view_role" VALUES(110,39,5);
INSERT INTO "ab_permission_view_role" VALUES(111,40,5);
INSERT INTO "ab_permission_view_role" VALUES(112,41,5);
INSERT INTO "ab_permission_view_role" VALUES(113,42,5);
INSERT INTO "ab_permission_view_role" VALUES(114,43,5);
INSERT INTO "ab_permission_view_role" VALUES(115,44,5);
INSERT INTO "ab_permission_view_role" VALUES(116,45,5);
INSERT INTO "ab_permission_view_role" VALUES(117,46,5);
INSERT INTO "ab_permission_view_role" VALUES(118,47,5);
INSERT INTO "ab_permission_view_role" VALUES(119,48,5);
INSERT INTO "ab_permission_view_role" VALUES(120,49,5);
INSERT INTO "ab_permission_view_role" VALUES(121,50,5);
INSERT INTO "ab_permission_view_role" VALUES(122,51,5);
INSERT INTO "ab_permission_view_role" VALUES(123,52,5);
INSERT INTO "ab_permission_view_role" VALUES(124,53,5);
INSERT INTO "ab_permission_view_role" VALUES(125,26,5);
INSERT INTO "ab_permission_view_role" VALUES(126,27,5);
INSERT INTO "ab_permission_view_role" VALUES(127,54,5);
INSERT INTO "ab_permission_view_role" VALUES(128,55,5);
INSERT INTO "ab_permission_view_role" VALUES(129,56,5);
INSERT INTO "ab_permission_view_role" VALUES(130,57,5);
INSERT INTO "ab_permission_view_role" VALUES(131,58,5);
INSERT INTO "ab_permission_view_role" VALUES(132,59,5);
INSERT INTO "ab_permission_view_role" VALUES(133,60,5);
INSERT INTO "ab_permission_view_role" VALUES(134,61,5);
INSERT INTO "ab_permission_view_role" VALUES(135,62,5);
INSERT INTO "ab_permission_view_role" VALUES(136,63,5);
INSERT INTO "ab_permission_view_role" VALUES(137,64,5);
INSERT INTO "ab_permission_view_role" VALUES(138,65,5);
INSERT INTO "ab_permission_view_role" VALUES(139,66,5);
INSERT INTO "ab_permission_view_role" VALUES(140,67,5);
INSERT INTO "ab_permission_view_role" VALUES(141,68,5);
INSERT INTO "ab_permission_view_role" VALUES(142,69,5);
INSERT INTO "ab_permission_view_role" VALUES(143,70,5);
INSERT INTO "ab_permission_view_role" VALUES(144,71,5);
INSERT INTO "ab_permission_view_role" VALUES(145,72,5);
INSERT INTO "ab_permission_view_role" VALUES(146,73,5);
INSERT INTO "ab_permission_view_role" VALUES(147,74,5);
INSERT INTO "ab_permission_view_role" VALUES(148,75,5);
INSERT INTO "ab_permission_view_role" VALUES(149,76,5);
INSERT INTO "ab_permission_view_role" VALUES(150,77,5);
INSERT INTO "ab_permission_view_role" VALUES(151,78,5);
INSERT INTO "ab_permission_view_role" VALUES(152,79,5);
INSERT INTO "ab_permission_view_role" VALUES(153,80,5);
INSERT INTO "ab_permission_view_role" VALUES(154,81,5);
INSERT INTO "ab_permission_view_role" VALUES(155,82,5);
INSERT INTO "ab_permission_view_role" VALUES(156,83,5);
INSERT INTO "ab_permission_view_role" VALUES(157,84,5);
INSERT INTO "ab_permission_view_role" VALUES(158,28,1);
INSERT INTO "ab_permission_view_role" VALUES(159,29,1);
INSERT INTO "ab_permission_view_role" VALUES(160,30,1);
INSERT INTO "ab_permission_view_role" VALUES(161,31,1);
INSERT INTO "ab_permission_view_role" VALUES(162,32,1);
INSERT INTO "ab_permission_view_role" VALUES(163,33,1);
INSERT INTO "ab_permission_view_role" VALUES(164,34,1);
INSERT INTO "ab_permission_view_role" VALUES(165,35,1);
INSERT INTO "ab_permission_view_role" VALUES(166,36,1);
INSERT INTO "ab_permission_view_role" VALUES(167,37,1);
INSERT INTO "ab_permission_view_role" VALUES(168,38,1);
INSERT INTO "ab_permission_view_role" VALUES(169,39,1);
INSERT INTO "ab_permission_view_role" VALUES(170,40,1);
INSERT INTO "ab_permission_view_role" VALUES(171,41,1);
INSERT INTO "ab_permission_view_role" VALUES(172,42,1);
INSERT INTO "ab_permission_view_role" VALUES(173,43,1);
INSERT INTO "ab_permission_view_role" VALUES(174,44,1);
INSERT INTO "ab_permission_view_role" VALUES(175,45,1);
INSERT INTO "ab_permission_view_role" VALUES(176,46,1);
INSERT INTO "ab_permission_view_role" VALUES(177,47,1);
INSERT INTO "ab_permission_view_role" VALUES(178,48,1);
INSERT INTO "ab_permission_view_role" VALUES(179,49,1);
INSERT INTO "ab_permission_view_role" VALUES(180,50,1);
INSERT INTO "ab_permission_view_role" VALUES(181,51,1);
INSERT INTO "ab_permission_view_role" VALUES(182,52,1);
INSERT INTO "ab_permission_view_role" VALUES(183,53,1);
INSERT INTO "ab_permission_view_role" VALUES(184,26,1);
INSERT INTO "ab_permission_view_role" VALUES(185,27,1);
INSERT INTO "ab_permission_view_role" VALUES(186,54,1);
INSERT INTO "ab_permission_view_role" VALUES(187,55,1);
INSERT INTO "ab_permission_view_role" VALUES(188,56,1);
INSERT INTO "ab_permission_view_role" VALUES(189,57,1);
INSERT INTO "ab_permission_view_role" VALUES(190,58,1);
INSERT INTO "ab_permission_view_role" VALUES(191,59,1);
INSERT INTO "ab_permission_view_role" VALUES(192,60,1);
INSERT INTO "ab_permission_view_role" VALUES(193,61,1);
INSERT INTO "ab_permission_view_role" VALUES(194,62,1);
INSERT INTO "ab_permission_view_role" VALUES(195,63,1);
INSERT INTO "ab_permission_view_role" VALUES(196,64,1);
INSERT INTO "ab_permission_view_role" VALUES(197,65,1);
INSERT INTO "ab_permission_view_role" VALUES(198,66,1);
INSERT INTO "ab_permission_view_role" VALUES(199,67,1);
INSERT INTO "ab_permission_view_role" VALUES(200,68,1);
INSERT INTO "ab_permission_view_role" VALUES(201,69,1);
INSERT INTO "ab_permission_view_role" VALUES(202,70,1);
INSERT INTO "ab_permission_view_role" VALUES(203,71,1);
INSERT INTO "ab_permission_view_role" VALUES(204,72,1);
INSERT INTO "ab_permission_view_role" VALUES(205,73,1);
INSERT INTO "ab_permission_view_role" VALUES(206,74,1);
INSERT INTO "ab_permission_view_role" VALUES(207,75,1);
INSERT INTO "ab_permission_view_role" VALUES(208,76,1);
INSERT INTO "ab_permission_view_role" VALUES(209,77,1);
INSERT INTO "ab_permission_view_role" VALUES(210,78,1);
INSERT INTO "ab_permission_view_role" VALUES(211,79,1);
INSERT INTO "ab_permission_view_role" VALUES(212,80,1);
INSERT INTO "ab_permission_view_role" VALUES(213,81,1);
INSERT INTO "ab_permission_view_role" VALUES(214,82,1);
INSERT INTO "ab_permission_view_role" VALUES(215,83,1);
INSERT INTO "ab_permission_view_role" VALUES(216,84,1);
INSERT INTO "ab_permission_view_role" VALUES(217,85,1);
INSERT INTO "ab_permission_view_role" VALUES(218,86,1);
INSERT INTO "ab_permission_view_role" VALUES(219,87,1);
INSERT INTO "ab_permission_view_role" VALUES(220,88,1);
INSERT INTO "ab_permission_view_role" VALUES(221,89,1);
INSERT INTO "ab_permission_view_role" VALUES(222,90,1);
INSERT INTO "ab_permission_view_role" VALUES(223,31,6);
INSERT INTO "ab_permission_view_role" VALUES(224,57,6);
INSERT INTO "ab_permission_view_role" VALUES(225,80,8);
INSERT INTO "ab_permission_view_role" VALUES(226,81,8);
INSERT INTO "ab_permission_view_role" VALUES(227,79,8);
INSERT INTO "ab_permission_view_role" VALUES(228,71,8);
INSERT INTO "ab_permission_view_role" VALUES(229,72,8);
INSERT INTO "ab_permission_view_role" VALUES(230,70,8);
INSERT INTO "ab_permission_view_role" VALUES(231,31,8);
INSERT INTO "ab_permission_view_role" VALUES(232,58,8);
INSERT INTO "ab_permission_view_role" VALUES(233,57,8);
INSERT INTO "ab_permission_view_role" VALUES(234,91,8);
INSERT INTO "ab_permission_view_role" VALUES(235,93,8);
INSERT INTO "ab_permission_view_role" VALUES(236,100,8);
INSERT INTO "ab_permission_view_role" VALUES(237,102,8);
INSERT INTO "ab_permission_view_role" VALUES(238,103,8);
INSERT INTO "ab_permission_view_role" VALUES(239,105,8);
INSERT INTO "ab_permission_view_role" VALUES(240,105,6);
INSERT INTO "ab_permission_view_role" VALUES(241,106,6);
INSERT INTO "ab_permission_view_role" VALUES(242,108,6);
INSERT INTO "ab_permission_view_role" VALUES(243,108,7);
INSERT INTO "ab_permission_view_role" VALUES(244,42,6);
INSERT INTO "ab_permission_view_role" VALUES(245,42,7);
INSERT INTO "ab_permission_view_role" VALUES(246,42,8);
INSERT INTO "ab_permission_view_role" VALUES(247,42,9);
INSERT INTO "ab_permission_view_role" VALUES(248,109,1);
INSERT INTO "ab_permission_view_role" VALUES(249,110,1);
CREATE TABLE ab_role (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	CONSTRAINT ab_role_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_role_name_uq UNIQUE (name)
);
INSERT INTO "ab_role" VALUES(1,'Admin');
INSERT INTO "ab_role" VALUES(2,'Public');
INSERT INTO "ab_role" VALUES(3,'Viewer');
INSERT INTO "ab_role" VALUES(4,'User');
INSERT INTO "ab_role" VALUES(5,'Op');
INSERT INTO "ab_role" VALUES(6,'marketing_editors');
INSERT INTO "ab_role" VALUES(7,'marketing_viewers');
INSERT INTO "ab_role" VALUES(8,'Finance Team');
INSERT INTO "ab_role" VALUES(9,'empty_role');
CREATE TABLE ab_user (
	id INTEGER NOT NULL, 
	first_name VARCHAR(256) NOT NULL, 
	last_name VARCHAR(256) NOT NULL, 
	username VARCHAR(512) COLLATE "NOCASE" NOT NULL, 
	password VARCHAR(256), 
	active BOOLEAN, 
	email VARCHAR(512) NOT NULL, 
	last_login DATETIME, 
	login_count INTEGER, 
	fail_login_count INTEGER, 
	created_on DATETIME, 
	changed_on DATETIME, 
	created_by_fk INTEGER, 
	changed_by_fk INTEGER, 
	CONSTRAINT ab_user_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_user_username_uq UNIQUE (username), 
	CONSTRAINT ab_user_email_uq UNIQUE (email), 
	CONSTRAINT ab_user_created_by_fk_fkey FOREIGN KEY(created_by_fk) REFERENCES ab_user (id), 
	CONSTRAINT ab_user_changed_by_fk_fkey FOREIGN KEY(changed_by_fk) REFERENCES ab_user (id)
);
INSERT INTO "ab_user" VALUES(1,'admin','Example','admin',NULL,1,'admin@example.com','2026-11-22 02:04:38.450972',17,0,'2026-11-22 01:57:30.538108','2026-11-22 01:57:30.538115',NULL,NULL);
INSERT INTO "ab_user" VALUES(2,'mara','Example','mara',NULL,1,'mara@example.com',NULL,NULL,NULL,'2026-11-22 01:57:44.831070','2026-11-22 01:57:44.831078',NULL,NULL);
INSERT INTO "ab_user" VALUES(3,'milo','Example','milo',NULL,1,'milo@example.com',NULL,NULL,NULL,'2026-11-22 01:58:02.427386','2026-11-22 01:58:02.427394',NULL,NULL);
INSERT INTO "ab_user" VALUES(4,'Fay Finn','Example','Fay Finn',NULL,1,'Fay Finn@example.com',NULL,NULL,NULL,'2026-11-22 01:58:24.072167','2026-11-22 01:58:24.072179',NULL,NULL);
INSERT INTO "ab_user" VALUES(5,'frank','Example','frank',NULL,1,'frank@example.com',NULL,NULL,NULL,'2026-11-22 01:58:53.384261','2026-11-22 01:58:53.384274',NULL,NULL);
INSERT INTO "ab_user" VALUES(6,'olga','Example','olga',NULL,1,'olga@example.com',NULL,NULL,NULL,'2026-11-22 01:59:27.835293','2026-11-22 01:59:27.835301',NULL,NULL);
INSERT INTO "ab_user" VALUES(7,'newbie','Example','newbie',NULL,1,'newbie@example.com',NULL,NULL,NULL,'2026-11-22 01:59:56.393490','2026-11-22 01:59:56.393499',NULL,NULL);
CREATE TABLE ab_user_role (
	id INTEGER NOT NULL, 
	user_id INTEGER, 
	role_id INTEGER, 
	CONSTRAINT ab_user_role_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_user_role_user_id_role_id_uq UNIQUE (user_id, role_id), 
	CONSTRAINT ab_user_role_user_id_fkey FOREIGN KEY(user_id) REFERENCES ab_user (id), 
	CONSTRAINT ab_user_role_role_id_fkey FOREIGN KEY(role_id) REFERENCES ab_role (id)
);
INSERT INTO "ab_user_role" VALUES(1,1,1);
INSERT INTO "ab_user_role" VALUES(2,2,6);
INSERT INTO "ab_user_role" VALUES(3,3,7);
INSERT INTO "ab_user_role" VALUES(4,4,8);
INSERT INTO "ab_user_role" VALUES(5,5,8);
INSERT INTO "ab_user_role" VALUES(6,6,5);
INSERT INTO "ab_user_role" VALUES(7,7,9);
CREATE TABLE ab_view_menu (
	id INTEGER NOT NULL, 
	name VARCHAR(250) NOT NULL, 
	CONSTRAINT ab_view_menu_pkey PRIMARY KEY (id), 
	CONSTRAINT ab_view_menu_name_uq UNIQUE (name)
);
INSERT INTO "ab_view_menu" VALUES(1,'IndexView');
INSERT INTO "ab_view_menu" VALUES(2,'UtilView');
INSERT INTO "ab_view_menu" VALUES(3,'LocaleView');
INSERT INTO "ab_view_menu" VALUES(4,'Passwords');
INSERT INTO "ab_view_menu" VALUES(5,'My Password');
INSERT INTO "ab_view_menu" VALUES(6,'My Profile');
INSERT INTO "ab_view_menu" VALUES(7,'AuthDBView');
INSERT INTO "ab_view_menu" VALUES(8,'Users');
INSERT INTO "ab_view_menu" VALUES(9,'List Users');
INSERT INTO "ab_view_menu" VALUES(10,'Security');
INSERT INTO "ab_view_menu" VALUES(11,'Roles');
INSERT INTO "ab_view_menu" VALUES(12,'List Roles');
INSERT INTO "ab_view_menu" VALUES(13,'User Stats Chart');
INSERT INTO "ab_view_menu" VALUES(14,'User''s Statistics');
INSERT INTO "ab_view_menu" VALUES(15,'Permissions');
INSERT INTO "ab_view_menu" VALUES(16,'Actions');
INSERT INTO "ab_view_menu" VALUES(17,'View Menus');
INSERT INTO "ab_view_menu" VALUES(18,'Resources');
INSERT INTO "ab_view_menu" VALUES(19,'Permission Views');
INSERT INTO "ab_view_menu" VALUES(20,'Permission Pairs');
INSERT INTO "ab_view_menu" VALUES(21,'DAGs');
INSERT INTO "ab_view_menu" VALUES(22,'DAG Dependencies');
INSERT INTO "ab_view_menu" VALUES(23,'DAG Code');
INSERT INTO "ab_view_menu" VALUES(24,'DAG Runs');
INSERT INTO "ab_view_menu" VALUES(25,'Datasets');
INSERT INTO "ab_view_menu" VALUES(26,'Cluster Activity');
INSERT INTO "ab_view_menu" VALUES(27,'Pools');
INSERT INTO "ab_view_menu" VALUES(28,'ImportError');
INSERT INTO "ab_view_menu" VALUES(29,'DAG Warnings');
INSERT INTO "ab_view_menu" VALUES(30,'Jobs');
INSERT INTO "ab_view_menu" VALUES(31,'SLA Misses');
INSERT INTO "ab_view_menu" VALUES(32,'Task Instances');
INSERT INTO "ab_view_menu" VALUES(33,'Task Logs');
INSERT INTO "ab_view_menu" VALUES(34,'XComs');
INSERT INTO "ab_view_menu" VALUES(35,'Website');
INSERT INTO "ab_view_menu" VALUES(36,'Browse');
INSERT INTO "ab_view_menu" VALUES(37,'Documentation');
INSERT INTO "ab_view_menu" VALUES(38,'Docs');
INSERT INTO "ab_view_menu" VALUES(39,'Configurations');
INSERT INTO "ab_view_menu" VALUES(40,'Admin');
INSERT INTO "ab_view_menu" VALUES(41,'Connections');
INSERT INTO "ab_view_menu" VALUES(42,'Plugins');
INSERT INTO "ab_view_menu" VALUES(43,'Variables');
INSERT INTO "ab_view_menu" VALUES(44,'Providers');
INSERT INTO "ab_view_menu" VALUES(45,'Audit Logs');
INSERT INTO "ab_view_menu" VALUES(46,'Task Reschedules');
INSERT INTO "ab_view_menu" VALUES(47,'Triggers');
INSERT INTO "ab_view_menu" VALUES(48,'DAG:legacy');
INSERT INTO "ab_view_menu" VALUES(49,'DAG:orphan');
INSERT INTO "ab_view_menu" VALUES(50,'DAG:cubes');
INSERT INTO "ab_view_menu" VALUES(51,'DAG:ledger');
INSERT INTO "ab_view_menu" VALUES(52,'DAG:reports');
INSERT INTO "ab_view_menu" VALUES(53,'DAG:campaigns');
INSERT INTO "ab_view_menu" VALUES(54,'AutocompleteView');
INSERT INTO "ab_view_menu" VALUES(55,'Airflow');
INSERT INTO "ab_view_menu" VALUES(56,'DagDependenciesView');
INSERT INTO "ab_view_menu" VALUES(57,'RedocView');
INSERT INTO "ab_view_menu" VALUES(58,'DevView');
INSERT INTO "ab_view_menu" VALUES(59,'DocsView');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('686269002441');
CREATE TABLE connection (
	id INTEGER NOT NULL, 
	conn_id VARCHAR(250) NOT NULL, 
	conn_type VARCHAR(500) NOT NULL, 
	description VARCHAR(5000), 
	host VARCHAR(500), 
	schema VARCHAR(500), 
	login TEXT, 
	password TEXT, 
	port INTEGER, 
	is_encrypted BOOLEAN, 
	is_extra_encrypted BOOLEAN, 
	extra TEXT, 
	CONSTRAINT connection_pkey PRIMARY KEY (id), 
	CONSTRAINT connection_conn_id_uq UNIQUE (conn_id)
);
INSERT INTO "connection" VALUES(1,'warehouse','generic',NULL,'db.example','dwh','etl','gAAAAABrAky4138OSEtjyjMOaRelTnIUbDeZXTALeL1nA4nle-tzFgEfoAgLCp3H2keBXq0mQXhbMLlqndTMiOlXd86VQfvfag==',5432,1,1,'gAAAAABrAky4XYXx8wGCVESGpLlzIXLxMLlY2XeWRMZSMOFrgudqoYP6BzYNW8J0h3t_P3R7PuOBThS3sT_wvOBwGmpWbS45oyWfhrSSqq-oNpSQV33ByHeUfDp0iDhZqCYQvRmpblTB');
INSERT INTO "connection" VALUES(2,'ads','http',NULL,'ads.example',NULL,NULL,NULL,NULL,0,1,'gAAAAABrAkzMDJv2Xy59_6Qhe5hstasqswdnzZOoQM4U58lyzTZ9QdckaQh-aey-3dmI3jbqzCT5XJiQE6tiSGGG9RfhpFgjMsrIQsdSPMyPF8_2pRCYjvEbHXomXb4CWLItBpU-GPA7_COG1efGG0vkkQPcKP4K9w==');
INSERT INTO "connection" VALUES(3,'bank','generic',NULL,NULL,NULL,NULL,NULL,NULL,0,1,'gAAAAABrAkzn9gbf1xENGwzm5XQqovUYEU2xBVOtDMfFzylfqiOH_jnd_-aPDSpZGOSGBzHb8Rd21LR5euMMrJL4RaSg_0Z8qnqwu_vTOTOSLXPgnGr-2YNOB5SAiZBSWazyG5UwPS0x89l_J6hDTUyIGvdohJQa5s2ywgUtdWlMxGFl33iGbJ0=');
INSERT INTO "connection" VALUES(4,'unused','http',NULL,'nobody.example',NULL,NULL,'gAAAAABrAkz7OINaELAzbhMfXF6jsIovacjGC-OFP4JHbxCPW9YDvh8VwjBoc3rwtfh85HOCc5yPBrjKKuJvlwMQPATr9J5HNw==',NULL,1,0,NULL);
INSERT INTO "connection" VALUES(5,'odd..name','http',NULL,'odd.example',NULL,NULL,NULL,NULL,0,0,NULL);
CREATE TABLE dag (
	dag_id VARCHAR(250) NOT NULL, 
	root_dag_id VARCHAR(250), 
	is_paused BOOLEAN, 
	is_subdag BOOLEAN, 
	is_active BOOLEAN, 
	last_parsed_time TIMESTAMP, 
	last_pickled TIMESTAMP, 
	last_expired TIMESTAMP, 
	scheduler_lock BOOLEAN, 
	pickle_id INTEGER, 
	fileloc VARCHAR(2000), 
	processor_subdir VARCHAR(2000), 
	owners VARCHAR(2000), 
	dag_display_name VARCHAR(2000), 
	description TEXT, 
	default_view VARCHAR(25), 
	schedule_interval TEXT, 
	timetable_description VARCHAR(1000), 
	dataset_expression JSON, 
	max_active_tasks INTEGER NOT NULL, 
	max_active_runs INTEGER, 
	max_consecutive_failed_dag_runs INTEGER NOT NULL, 
	has_task_concurrency_limits BOOLEAN NOT NULL, 
	has_import_errors BOOLEAN DEFAULT '0', 
	next_dagrun TIMESTAMP, 
	next_dagrun_data_interval_start TIMESTAMP, 
	next_dagrun_data_interval_end TIMESTAMP, 
	next_dagrun_create_after TIMESTAMP, 
	CONSTRAINT dag_pkey PRIMARY KEY (dag_id)
);
INSERT INTO "dag" VALUES('reports',NULL,1,0,1,'2026-11-22 02:03:53.847168',NULL,NULL,NULL,NULL,'/opt/airflow/dags/finance/reports.py',NULL,'airflow',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "dag" VALUES('cubes',NULL,1,0,1,'2026-11-22 02:03:53.846583',NULL,NULL,NULL,NULL,'/opt/airflow/dags/bi/cubes.py',NULL,'airflow',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "dag" VALUES('campaigns',NULL,1,0,1,'2026-11-22 02:03:53.846250',NULL,NULL,NULL,NULL,'/opt/airflow/dags/marketing/campaigns.py',NULL,'marketing',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "dag" VALUES('legacy',NULL,1,0,1,'2026-11-22 02:03:53.846868',NULL,NULL,NULL,NULL,'/opt/airflow/dags/legacy.py',NULL,'airflow',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "dag" VALUES('ledger',NULL,0,0,1,'2026-11-22 02:03:53.846736',NULL,NULL,NULL,NULL,'/opt/airflow/dags/finance/ledger.py',NULL,'airflow',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "dag" VALUES('orphan',NULL,1,0,1,'2026-11-22 02:03:53.846990',NULL,NULL,NULL,NULL,'/opt/airflow/dags/orphan.py',NULL,'growth',NULL,NULL,'grid','null','Never, external triggers only','null',16,16,0,0,0,NULL,NULL,NULL,NULL);
CREATE TABLE dag_code (
	fileloc_hash BIGINT NOT NULL, 
	fileloc VARCHAR(2000) NOT NULL, 
	last_updated TIMESTAMP NOT NULL, 
	source_code TEXT NOT NULL, 
	CONSTRAINT dag_code_pkey PRIMARY KEY (fileloc_hash)
);
INSERT INTO "dag_code" VALUES(1949013340654477,'/opt/airflow/dags/finance/reports.py','2026-11-22 02:03:53.850257','"""Reports, which the editors of another team may read, too: a part of a team, which there is not here."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG(
    "reports",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    access_control={"Finance Team": {"can_read", "can_edit"}, "marketing_editors": {"can_read"}},
):
    EmptyOperator(task_id="print")
');
INSERT INTO "dag_code" VALUES(36367711657847613,'/opt/airflow/dags/marketing/campaigns.py','2026-11-22 02:03:53.850362','"""Campaigns, of one team''s folder, with rights given by ``access_control``."""

from datetime import datetime

from airflow import DAG
from airflow.hooks.base import BaseHook
from airflow.models import Variable
from airflow.operators.python import PythonOperator
from common.helpers import polite


def spend():
    BaseHook.get_connection("ads")
    return polite(Variable.get("threshold"))


with DAG(
    "campaigns",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    tags=["ads"],
    default_args={"owner": "marketing"},
    access_control={"marketing_editors": {"can_read", "can_edit"}, "marketing_viewers": {"can_read"}},
):
    PythonOperator(task_id="spend", python_callable=spend, pool="gpu", op_kwargs={"http_conn_id": "warehouse"})
');
INSERT INTO "dag_code" VALUES(30873911328550048,'/opt/airflow/dags/finance/ledger.py','2026-11-22 02:03:53.850425','"""The ledger: it runs, so it is to run again."""

from datetime import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    "ledger",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    is_paused_upon_creation=False,
    access_control={"Finance Team": {"can_read", "can_edit"}},
):
    BashOperator(
        task_id="book",
        bash_command="echo {{ var.value.ledger_mode }} {{ conn.bank.host }}",
        env={"warehouse_conn_id": "warehouse"},
    )
');
INSERT INTO "dag_code" VALUES(30437962770026048,'/opt/airflow/dags/bi/cubes.py','2026-11-22 02:03:53.850483','"""In a folder whose name is too short for a team''s."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG("cubes", start_date=datetime(2024, 1, 1), schedule=None):
    EmptyOperator(task_id="nothing")
');
INSERT INTO "dag_code" VALUES(67169437684651992,'/opt/airflow/dags/orphan.py','2026-11-22 02:03:53.850535','"""In no folder, and no role has rights to it."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG("orphan", start_date=datetime(2024, 1, 1), schedule=None, tags=["growth"], default_args={"owner": "growth"}):
    EmptyOperator(task_id="nothing")
');
INSERT INTO "dag_code" VALUES(68992608891358124,'/opt/airflow/dags/legacy.py','2026-11-22 02:03:53.850584','"""In no folder; who has rights to it tells whose it is."""

from datetime import datetime

from airflow import DAG
from airflow.operators.empty import EmptyOperator

with DAG(
    "legacy",
    start_date=datetime(2024, 1, 1),
    schedule=None,
    access_control={"Finance Team": {"can_read", "can_edit"}},
):
    EmptyOperator(task_id="nothing")
');
CREATE TABLE dag_tag (
	name VARCHAR(100) NOT NULL, 
	dag_id VARCHAR(250) NOT NULL, 
	CONSTRAINT dag_tag_pkey PRIMARY KEY (name, dag_id), 
	CONSTRAINT dag_tag_dag_id_fkey FOREIGN KEY(dag_id) REFERENCES dag (dag_id) ON DELETE CASCADE
);
INSERT INTO "dag_tag" VALUES('ads','campaigns');
INSERT INTO "dag_tag" VALUES('growth','orphan');
CREATE TABLE slot_pool (
	id INTEGER NOT NULL, 
	pool VARCHAR(256), 
	slots INTEGER, 
	description TEXT, 
	include_deferred BOOLEAN NOT NULL, 
	CONSTRAINT slot_pool_pkey PRIMARY KEY (id), 
	CONSTRAINT slot_pool_pool_uq UNIQUE (pool)
);
INSERT INTO "slot_pool" VALUES(1,'default_pool',128,'Default pool',0);
INSERT INTO "slot_pool" VALUES(2,'gpu',2,'two of them',0);
INSERT INTO "slot_pool" VALUES(3,'big pool',5,'a name with a space',0);
CREATE TABLE variable (
	id INTEGER NOT NULL, 
	"key" VARCHAR(250), 
	val TEXT, 
	description TEXT, 
	is_encrypted BOOLEAN, 
	CONSTRAINT variable_pkey PRIMARY KEY (id), 
	CONSTRAINT variable_key_uq UNIQUE ("key")
);
INSERT INTO "variable" VALUES(1,'threshold','gAAAAABrAk0zpu7l5EYPIU0KOe5R1eaIp6i9ws0iSlRRJT_9Z2q60WygR2wACNtOZM1IY9LIeo7_xOLxdLi2_srLLnk9Ju60Dw==',NULL,1);
INSERT INTO "variable" VALUES(2,'ledger_mode','gAAAAABrAk1G-HBr4iPpUK0u_xqi26jExvsSIPYqi4FSOfccdcEmrKBIpwtHUkZ4OjagsgviKJyiAbCSTtARPHmGbHoEGGPioma0qmqiBzl0tvt1XRgj2Vk=',NULL,1);
INSERT INTO "variable" VALUES(3,'bank_token','gAAAAABrAk1a4qdmUDYS_j8wVhmp4F98gV5dChXLIXN0bEBTyW6D1JLKFZAGW6W35lpuCNAGm7R7ydnxkjc1d5JVXjx6hAAYVA==',NULL,1);
