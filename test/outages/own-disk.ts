import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A disk of its own, in memory, that can be really full: the kernel says so (ENOSPC). It needs root and the right to mount. */
export class OwnDisk {
  private readonly ballast: string;

  private constructor(readonly dir: string) {
    this.ballast = join(dir, 'ballast');
  }

  /** Answers why it cannot be done here where it cannot. `dir` is made. */
  static mount(dir: string, megabytes: number): OwnDisk | string {
    try {
      mkdirSync(dir, { recursive: true });
      const options = `size=${megabytes}m,mode=0700`;
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'rescind-full-disk', dir], { stdio: 'pipe' });
      return new OwnDisk(dir);
    } catch (error) {
      return String((error as { stderr?: Buffer }).stderr ?? error).trim();
    }
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.ballast, 'a');
    for (let size = 1 << 20; size > 0;) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error;
        size >>= 1;
      }
    }
    closeSync(file);
  }

  free(): void {
    rmSync(this.ballast, { force: true });
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.dir]);
  }
}
