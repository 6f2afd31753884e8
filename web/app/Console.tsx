import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { createConsoleRouter } from "./router";
import { ShortcutProvider } from "./shortcuts";

/** The whole console. */
export function Console() {
  const [router] = useState(createConsoleRouter);
  const [queries] = useState(
    () =>
      new QueryClient({
        defaultOptions: {
          // the gateway of this machine is there without any network
          queries: { retry: false, networkMode: "always" },
          mutations: { networkMode: "always" },
        },
      }),
  );
  return (
    <QueryClientProvider client={queries}>
      <ShortcutProvider>
        <RouterProvider router={router} />
      </ShortcutProvider>
    </QueryClientProvider>
  );
}
