import { html } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** A piece of a page. What is put into `html` is escaped, whoever wrote it. */
export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;

interface PageOptions {
  readonly title: string;
  readonly body: Markup;
  /** Pieces behind the body that are still being made: each is sent when it is there, and none waits for another. Never reject. */
  readonly parts?: readonly Promise<Markup>[];
  /** Behind all of them. */
  readonly end?: Markup;
  readonly status?: number;
  readonly headers?: HeadersInit;
  /** Origins besides this one that a form may end up at. */
  readonly formTargets?: readonly string[];
}

const style = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 36rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; }
fieldset { border: 1px solid #8888; border-radius: .5rem; margin: 0 0 1rem; padding: .5rem 1rem; }
label { display: block; padding: .35rem 0; }
input:not([type=checkbox], [type=radio]), select { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; }
button { font: inherit; padding: .6rem 1.2rem; margin: .25rem .5rem .25rem 0; }
:focus-visible { outline: 3px solid #06c; outline-offset: 2px; }
.warning { border-left: .3rem solid #c60; padding-left: .75rem; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
`;

/** What would hide or turn round the words beside it: such letters of a foreign name are shown as what they are not. */
const unprintable = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const shownText = (markup: HtmlEscapedString): string => markup.toString().replaceAll(unprintable, "\ufffd");

function streamed(
  before: string,
  parts: readonly Promise<Markup>[],
  after: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      send(before);
      await Promise.all(parts.map(async (part) => send(shownText(await part))));
      send(after);
      controller.close();
    },
  });
}

/** A whole page: no script, nothing from elsewhere, not to be framed. */
export async function page({
  title,
  body,
  parts = [],
  end,
  status = 200,
  headers,
  formTargets = [],
}: PageOptions): Promise<Response> {
  const nonce = crypto.randomUUID();
  // stands where the pieces go that come later; a fresh one, so that nobody's words hold it
  const restMark = `rest-${crypto.randomUUID()}`;
  const document = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · tws-edge</title>
        <style nonce="${nonce}">
          ${style}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body}${restMark}${end ?? ""}
        </main>
      </body>
    </html>`;
  const [before = "", after = ""] = shownText(document).split(restMark);
  const answer = new Response(parts.length === 0 ? before + after : streamed(before, parts, after), {
    status,
    ...(headers && { headers }),
  });
  answer.headers.set("Content-Type", "text/html; charset=utf-8");
  answer.headers.set("Cache-Control", "no-store");
  answer.headers.set(
    "Content-Security-Policy",
    `default-src 'none'; style-src 'nonce-${nonce}'; frame-ancestors 'none'; base-uri 'none'; form-action ${["'self'", ...formTargets].join(" ")}`,
  );
  // with no referrer at all, browsers send the Origin "null" with forms
  answer.headers.set("Referrer-Policy", "same-origin");
  return answer;
}

/** A page that says what went wrong. */
export const sorry = (status: number, message: string, headers?: HeadersInit): Promise<Response> =>
  page({ title: "That did not work", body: html`<p>${message}</p>`, status, ...(headers && { headers }) });
