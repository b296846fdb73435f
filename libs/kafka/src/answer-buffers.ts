import type { OnReadOpts } from 'node:net';

const SIZE_BYTES = 4;
/** Many times what we ask for. Who says that more will come does not speak Kafka's protocol. */
const LARGEST = 256 << 20;

/**
 * Memory for a broker's answers, used again and again. An answer is received in one piece and at the place where it is read; by
 * itself Node makes a buffer of each 64 kB, kafkajs puts them together, and what is thrown away keeps the garbage collector busy.
 */
export class AnswerBuffers {
  private readonly spare: Buffer[] = [];

  /** How a socket is to receive. `onAnswer` gets each answer whole, with its size before it, as it is on the wire. */
  receive(onAnswer: (answer: Buffer) => void, onNonsense: (error: Error) => void): OnReadOpts {
    const size = Buffer.alloc(SIZE_BYTES);
    let answer: Buffer = size;
    let filled = 0;
    return {
      // Just what is missing, so that nothing of the next answer comes with it.
      buffer: () => answer.subarray(filled),
      callback: (count) => {
        filled += count;
        if (filled < answer.length) return true;
        if (answer !== size) {
          onAnswer(answer);
          answer = size;
          filled = 0;
          return true;
        }
        const length = size.readInt32BE();
        if (length < SIZE_BYTES || length > LARGEST) {
          onNonsense(new RangeError(`an answer of ${length} bytes`));
          return false;
        }
        answer = this.take(SIZE_BYTES + length);
        size.copy(answer);
        return true;
      },
    };
  }

  /** What this part of an answer lies in, the whole answer, may be overwritten from now on. */
  giveBack(part: Buffer): void {
    this.spare.push(Buffer.from(part.buffer));
  }

  private take(size: number): Buffer {
    const spare = this.spare.pop();
    return spare && spare.length >= size ? spare.subarray(0, size) : Buffer.allocUnsafeSlow(size);
  }
}
