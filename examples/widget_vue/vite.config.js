import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";
import { shop } from "./server.js";

const isCustomElement = (tag) => tag.startsWith("otpost-");

export default defineConfig({
  envPrefix: "OTPOST_URL", // what the page may know; the key is not for it
  plugins: [vue({ template: { compilerOptions: { isCustomElement } } }), shop],
  server: { port: 3000, strictPort: true },
});
