"""Tests of rocket."""
