/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

import { lighter } from './lighter.ts'

// The wheel carries what is built here; the server answers it under any path, so every address is relative.
export default defineConfig({
  base: './',
  plugins: [react(), lighter()],
  build: {
    outDir: '../src/portreeve/server/static',
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses would need a looser policy than 'self'
    sourcemap: false,
    manifest: true, // what each page loads, for bench/console_bundle.py
    target: 'es2022',
    modulePreload: { polyfill: false },
  },
  // Its own name as Host, as it answers to no other.
  server: { proxy: { '/api': { target: process.env.PORTREEVE_URL ?? 'http://127.0.0.1:8420', changeOrigin: true } } },
  // One document for all files of a worker: to make one is four fifths of the time, and each test draws into its own element.
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'], css: false, isolate: false },
})
