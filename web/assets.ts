import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Hono } from 'hono';
import { projectDir } from '../config/project-dir.js';

/** The files that the page consists of besides its text; the build puts them there. */
const folder = path.join(projectDir, 'dist', 'web', 'assets');

const types: Record<string, string> = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'plots.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'uPlot.min.css': 'text/css; charset=utf-8',
  'uPlot.iife.min.js': 'text/javascript; charset=utf-8',
};

/** Serves those files, and no other. */
export function serveAssets(app: Hono, base: string): void {
  for (const [name, type] of Object.entries(types))
    app.get(`${base}assets/${name}`, (context) => {
      const content = readFileSync(path.join(folder, name));
      return context.body(new Uint8Array(content), 200, { 'Content-Type': type });
    });
}
