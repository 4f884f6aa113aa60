import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";
import { shop } from "./server.js";

const isCustomElement = (tag) => tag.startsWith("otpost-");

export default defineConfig({
  envPrefix: "OTPOST_URL", // the page may see this variable, but not the key
  plugins: [vue({ template: { compilerOptions: { isCustomElement } } }), shop],
  server: { port: 3000, strictPort: true },
});
