/**
 * Recent questions: remembered per workspace, newest first, and forgotten on request.
 */

/** What is asked often is asked again soon; older questions only lengthen the list. */
const KEPT = 20;
const KEY = 'recentQuestions';

/** The part of vscode.Memento that is needed. */
export interface Storage {
  get(key: string): unknown;
  update(key: string, value: unknown): Thenable<void>;
}

export class History {
  constructor(private readonly storage: Storage) {}

  /** The questions, newest first. */
  get questions(): string[] {
    const kept = this.storage.get(KEY);
    return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
  }

  /** Remember a question that led somewhere. */
  async remember(question: string): Promise<void> {
    const asked = question.trim();
    if (asked !== '') {
      await this.storage.update(KEY, [asked, ...this.without(asked)].slice(0, KEPT));
    }
  }

  /** Forget one question, or all. */
  async forget(question?: string): Promise<void> {
    await this.storage.update(KEY, question === undefined ? undefined : this.without(question));
  }

  private without(question: string): string[] {
    return this.questions.filter((one) => one !== question);
  }
}
