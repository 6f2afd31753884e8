import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const gateway = process.env.MABOS_GATEWAY_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    target: ["chrome123", "firefox120", "safari17.5"], // the first with light-dark()
    assetsInlineLimit: 0, // the content security policy knows no data: URLs
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(["/api", "/healthz", "/readyz"].map((path) => [path, gateway])) },
});
