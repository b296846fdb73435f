import type { FastifyReply } from 'fastify';

/** The few pages of signing in: no script, nothing from elsewhere. */
export interface Page {
  status: number;
  title: string;
  /** Sentences. */
  text: string[];
  /** Shown large. */
  code?: string;
  button?: { label: string; action: string; method: 'get' | 'post'; input?: { name: string; label: string } };
  link?: { label: string; href: string };
  /** Where the answer to a form may send the browser. */
  formGoesTo?: string;
}

export function sendPage(reply: FastifyReply, page: Page): void {
  const formAction = ["'self'", ...(page.formGoesTo === undefined ? [] : [new URL(page.formGoesTo).origin])].join(' ');
  void reply
    .status(page.status)
    .headers({
      'content-security-policy':
        `default-src 'none'; style-src 'unsafe-inline'; form-action ${formAction}; ` +
        "frame-ancestors 'none'; base-uri 'none'",
      'x-frame-options': 'DENY',
      // With no-referrer browsers send "Origin: null" with the page's own form.
      'referrer-policy': 'same-origin',
    })
    .type('text/html; charset=utf-8')
    .send(render(page));
}

function render({ title, text, code, button, link }: Page): string {
  const input = button?.input;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} · Rescind</title>
<style>body{font:16px/1.5 system-ui;max-width:30rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}
.code{font:700 2rem ui-monospace,monospace;letter-spacing:.1em}
input,button{font:inherit;padding:.5rem 1rem;margin:.25rem 0}</style>
<main><h1>${escaped(title)}</h1>
${text.map((sentence) => `<p>${escaped(sentence)}</p>`).join('\n')}
${code === undefined ? '' : `<p class="code">${escaped(code)}</p>`}
${
  button === undefined
    ? ''
    : `<form method="${button.method}" action="${escaped(button.action)}">${
        input === undefined
          ? ''
          : `<label for="input">${escaped(input.label)}</label><br><input id="input" name="${escaped(input.name)}" required autofocus autocomplete="off"><br>`
      }<button>${escaped(button.label)}</button></form>`
}
${link === undefined ? '' : `<p><a href="${escaped(link.href)}">${escaped(link.label)}</a></p>`}
</main></html>
`;
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
