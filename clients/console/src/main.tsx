// The start of the page.

import { render } from "preact";
import { App } from "./app";
import { look } from "./gateway";
import "./style.css";

look();
render(<App />, document.getElementById("app")!);
