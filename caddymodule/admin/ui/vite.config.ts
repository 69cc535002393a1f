import { defineConfig } from 'vite';

// One script and one style sheet under names that stay, since the binary embeds
// them and a test compares them.
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { proxy: { '/api': process.env.ATTACHE_ADMIN || 'http://127.0.0.1:8443' } },
  build: {
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rolldownOptions: { output: { entryFileNames: 'app.js', assetFileNames: (a) => (a.names.some((n) => n.endsWith('.css')) ? 'style.css' : '[name][extname]'), codeSplitting: false } },
  },
});
