import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_SNIPPET_BYTES, ResponseSnippet } from './response-snippet.js';

function textOf(...chunks: (Buffer | string)[]): string | undefined {
  const snippet = new ResponseSnippet();
  for (const chunk of chunks) snippet.add(Buffer.from(chunk));
  return snippet.text();
}

describe('ResponseSnippet', () => {
  it('joins what comes in pieces, also within a character', () => {
    const whole = Buffer.from('Größe: 5 €');
    const pieces = [...whole].map((byte) => Buffer.from([byte]));
    expect(textOf(...pieces)).toBe('Größe: 5 €');
  });

  it('leaves out a character that the cap cuts in two', () => {
    expect(textOf('x'.repeat(1022) + '€uro')).toBe('x'.repeat(1022));
    expect(textOf('x'.repeat(1021) + '€uro')).toBe(`${'x'.repeat(1021)}€`);
    expect(textOf('x'.repeat(1023) + '🦷')).toBe('x'.repeat(1023));
  });

  it('keeps lines and tabs and makes other control characters visible', () => {
    expect(textOf('a\r\n\tb\n')).toBe('a\n\tb\n');
    expect(textOf('a\0b\u001b[31mc\u007f\u0085\r')).toBe('a\ufffdb\ufffd[31mc\ufffd\ufffd\ufffd');
  });

  it('replaces what is not UTF-8', () => {
    expect(textOf(Buffer.from([0x66, 0xfc, 0x72]))).toBe('f\ufffdr');
  });

  it('has nothing to say of an empty body', () => {
    expect(textOf()).toBeUndefined();
    expect(textOf('')).toBeUndefined();
  });

  it('is a short text that a database takes, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), (chunks) => {
        const text = textOf(...chunks.map((chunk) => Buffer.from(chunk))) ?? '';
        expect(text.length).toBeLessThanOrEqual(MAX_SNIPPET_BYTES);
        expect(text).not.toMatch(/[^\P{Cc}\n\t]/u);
        // No lone surrogate: it comes back from UTF-8 as it was.
        expect(Buffer.from(text).toString()).toBe(text);
      }),
    );
  });

  it('is the beginning of any clean text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 2000 }), (body) => {
        const text = textOf(body) ?? '';
        const clean = body.replace(/\r\n/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '\ufffd');
        expect(clean.replace(/^\ufeff/, '').startsWith(text)).toBe(true);
        if (Buffer.byteLength(body) > MAX_SNIPPET_BYTES) {
          expect(Buffer.byteLength(text)).toBeGreaterThan(MAX_SNIPPET_BYTES / 2);
        }
      }),
    );
  });
});
