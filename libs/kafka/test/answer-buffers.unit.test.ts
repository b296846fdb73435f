import fc from 'fast-check';
import { AnswerBuffers } from '../src/answer-buffers.js';

/** As it is on the wire. */
function sized(text: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(text.length);
  return Buffer.concat([size, Buffer.from(text, 'latin1')]);
}

/** Receives as a socket of Node does: never more than there is room for, and no more than has come. */
function receiver(buffers: AnswerBuffers) {
  const whole: Buffer[] = [];
  const nonsense: string[] = [];
  const onread = buffers.receive(
    (answer) => void whole.push(answer),
    (error) => void nonsense.push(error.message),
  );
  const come = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) {
      const room = (onread.buffer as () => Uint8Array)();
      const count = bytes.copy(room, 0, at, at + Math.min(room.length, bytes.length - at));
      if (!onread.callback(count, room)) return;
      at += count;
    }
  };
  return { whole, nonsense, come };
}

test('answers come whole and to the letter, however the bytes come in and whichever are given back', () => {
  const text = fc.string({ unit: 'binary-ascii', minLength: 4, maxLength: 300 });
  const answers = fc.array(fc.record({ text, isGivenBack: fc.boolean() }), { maxLength: 12 });
  fc.assert(
    fc.property(answers, fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (answers, steps) => {
      const buffers = new AnswerBuffers();
      const { whole, come } = receiver(buffers);
      const wire = Buffer.concat(answers.map(({ text }) => sized(text)));
      const read: string[] = [];
      let done = 0;
      for (let at = 0, step = 0; at < wire.length; step++) {
        const length = steps[step % steps.length]!;
        come(wire.subarray(at, at + length));
        at += length;
        for (; read.length < whole.length; done++) {
          const answer = whole[read.length]!;
          read.push(answer.toString('latin1'));
          if (answers[done]!.isGivenBack) buffers.giveBack(answer.subarray(7));
        }
      }
      expect(read).toEqual(answers.map(({ text }) => sized(text).toString('latin1')));
      // What was not given back has stayed as it was.
      answers.forEach(({ text, isGivenBack }, index) => {
        if (!isGivenBack) expect(whole[index]!.subarray(4).toString('latin1')).toBe(text);
      });
    }),
  );
});

test('what was given back is used again, and not twice at once', () => {
  const buffers = new AnswerBuffers();
  const { whole, come } = receiver(buffers);
  come(sized('the first'));
  buffers.giveBack(whole[0]!.subarray(6));
  come(sized('second'));
  come(sized('third'));
  const memory = whole.map(({ buffer }) => buffer);
  expect(memory[1]).toBe(memory[0]);
  expect(memory[2]).not.toBe(memory[0]);
});

test.each([
  ['HTTP/1.1 400 Bad Request', 'an answer of 1213486160 bytes'],
  ['\xff\xff\xff\xff', 'an answer of -1 bytes'],
  ['\0\0\0\0', 'an answer of 0 bytes'],
])('what is no answer of Kafka is not waited for: %j', (text, said) => {
  const { whole, nonsense, come } = receiver(new AnswerBuffers());
  come(Buffer.from(text, 'latin1'));
  expect(nonsense).toEqual([said]);
  expect(whole).toEqual([]);
});
