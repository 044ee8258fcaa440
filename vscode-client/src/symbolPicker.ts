/**
 * VS Code's symbol search (`#`): which of its queries can be asked by meaning, and how a row gets past its filter.
 */

/** Shorter words are the beginnings of names. */
const MIN_LENGTH = 4;

/**
 * Return a query as a question in words, undefined when it is too short to mean something.
 *
 * VS Code sends no blanks: `read_settings_from_disk` or `read.settings` is how whole questions can be typed there.
 */
export function asQuestion(query: string): string | undefined {
  const question = query.trim().replace(/[\s._-]+/g, ' ').trim(); // prettier-ignore
  return question.length < MIN_LENGTH ? undefined : question;
}

/** Return a name that VS Code does not drop for a query: itself, or with what was typed behind it. */
export function labelled(name: string, query: string): string {
  return isKept(name, query) ? name : `${name} ⟵ ${query}`;
}

/** Return whether a name holds the letters of a query in their order, which is what VS Code asks for. */
function isKept(name: string, query: string): boolean {
  const letters = name.toLowerCase();
  let from = 0;
  for (const letter of query.toLowerCase()) {
    const at = letters.indexOf(letter, from);
    if (at < 0) {
      return false;
    }
    from = at + 1;
  }
  return true;
}
