import { defineConfig } from "vite";
import { shop } from "./server.js";

export default defineConfig({
  envPrefix: "OTPOST_URL", // what the page may know; the key is not for it
  plugins: [shop],
  server: { port: 3000, strictPort: true },
});
