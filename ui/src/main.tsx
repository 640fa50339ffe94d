/**
 * The components that Airflow's page takes by the names of the plugin's entries (`airspace.airflow.plugin`).
 *
 * A page of ours is drawn inside Airflow's own providers: React, router, Chakra's tokens for light and dark.
 */
import { Artifacts } from "./artifacts/Artifacts";
import { PlatformHome } from "./home/PlatformHome";
import { TeamHome } from "./home/TeamHome";
import { Switcher } from "./switcher/Switcher";

Object.assign(globalThis, {
  "Airspace switcher": Switcher,
  Artifacts,
  Platform: PlatformHome,
  Team: TeamHome,
});
