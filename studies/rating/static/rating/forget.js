// The session is over: nothing of it stays in this browser.

import { pageData } from "./page.js";
import { Store } from "./store.js";

await new Store(pageData().outbox).clear();
