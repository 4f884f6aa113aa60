import { defineConfig } from "vite";
import { shop } from "./server.js";

export default defineConfig({
  envPrefix: "OTPOST_URL", // the page may see this variable, but not the key
  plugins: [shop],
  server: { port: 3000, strictPort: true },
});
