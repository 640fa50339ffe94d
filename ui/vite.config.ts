/**
 * One file in the form that Airflow's page loads: React, its router and Chakra are the page's own, and never bundled.
 */
import { defineConfig } from "vite";

const HOST: Record<string, string> = {
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
  react: "React",
  "react-dom": "ReactDOM",
  "react-router-dom": "ReactRouterDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
};

export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../src/airspace/airflow/web/static",
    emptyOutDir: true,
    target: "es2022",
    lib: { entry: "src/main.tsx", formats: ["umd"], name: "AirspaceUI", fileName: () => "airspace.js" },
    rollupOptions: { external: Object.keys(HOST), output: { globals: HOST } },
  },
});
