import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Console } from "./app/Console";
import { preloadPages } from "./app/lazyPage";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/pages.css";
import "./styles/operations.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <Console />
  </StrictMode>,
);

/** What is seen first comes first. */
const PRELOAD_AFTER_MS = 1500;
setTimeout(preloadPages, PRELOAD_AFTER_MS);
