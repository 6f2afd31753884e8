import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

configure({ asyncUtilTimeout: 10_000 }); // as long as it takes on a busy machine

afterEach(() => {
  cleanup();
  globalThis.sessionStorage?.clear(); // pure tests run without a page
  globalThis.localStorage?.clear();
});

// what jsdom lacks: nothing has a size there
class NoSizes implements ResizeObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver ??= NoSizes;

if (globalThis.HTMLElement !== undefined) {
  HTMLElement.prototype.scrollTo = function (this: HTMLElement, options?: ScrollToOptions | number) {
    if (typeof options === "object") this.scrollTop = options.top ?? this.scrollTop;
  } as HTMLElement["scrollTo"];
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
    this.open = false;
  };
  Object.defineProperty(HTMLElement.prototype, "clientHeight", { value: 320, configurable: true });
  window.scrollTo = () => undefined;
}
