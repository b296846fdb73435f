#!/usr/bin/env node
// `npx rescind`: compiles what has changed, as `npm start` does, and runs it.
import '../build.mjs';
await import('../../dist/tools/cli/src/bin.js');
