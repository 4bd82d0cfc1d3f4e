/** The replay page: opens the player in the element with `data-timeline`. */

import { openPlayer } from "./open_player.ts";

const root = document.querySelector<HTMLElement>("[data-timeline]");
if (root !== null) void openPlayer(root);
