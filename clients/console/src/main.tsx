// The start of the page.

import { render } from "preact";
import { App } from "./app";
import { watch } from "./gateway";
import "./style.css";

watch();
render(<App />, document.getElementById("app")!);
