import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../config/project-dir.js';
import { has } from './measure.js';

const source = `package main

import (
	"io"
	"os"
	"strconv"

	"github.com/klauspost/pgzip"
)

func main() {
	level, _ := strconv.Atoi(os.Args[1])
	out, err := pgzip.NewWriterLevel(os.Stdout, level)
	if err == nil {
		_, err = io.CopyBuffer(out, os.Stdin, make([]byte, 1<<20))
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		panic(err)
	}
}
`;

/** Builds a command around Go's klauspost/pgzip, once; undefined, with a line that says so, where it cannot be had. */
export function buildPgzip(): string | undefined {
  const folder = path.join(projectDir, 'node_modules', '.tapeflow', 'bench-pgzip');
  const program = path.join(folder, 'pgzip');
  if (existsSync(program)) return program;
  if (!has('go')) {
    console.log('No Go here: klauspost/pgzip is left out.');
    return undefined;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'main.go'), source);
  writeFileSync(
    path.join(folder, 'go.mod'),
    'module bench\n\ngo 1.21\n\nrequire github.com/klauspost/pgzip v1.2.6\n',
  );
  const go = (...args: string[]) =>
    spawnSync('go', args, { cwd: folder, encoding: 'utf8', timeout: 180_000 });
  if (go('mod', 'tidy').status === 0 && go('build', '-o', 'pgzip', '.').status === 0) return program;
  console.log("Go's klauspost/pgzip could not be obtained: left out.");
  return undefined;
}
