/** The conversation, in memory only: its turns, and how much of it goes along with the next question. */
import type { ChatMessage, FinishReason } from '../protocol/chat.ts';
import type { RoutingTrace } from '../protocol/trace.ts';
import type { Usage } from '../protocol/usage.ts';
import type { ReadyState } from './on-device/messages.ts';
import type { Responder, ResponderError } from './responder.ts';

/** Longest question that can be typed. */
export const questionCharacters = 4_000;
/** Turns kept on the page; the oldest go first. */
const turnLimit = 50;
/** What goes along with a question: models here are small, and so is their context. */
const historyTurns = 4;
const historyCharacters = 1_200;

export type TurnStatus = 'routing' | 'waiting' | 'answering' | 'done' | 'stopped' | 'failed';

export interface Turn {
  readonly question: string;
  readonly model: string;
  /** Who was asked. */
  readonly place: Responder['name'];
  /** What computed it, if it was answered here. */
  device: ReadyState | null;
  answer: string;
  status: TurnStatus;
  trace: Partial<RoutingTrace>;
  finish: FinishReason | null;
  usage: Usage | null;
  failure: ResponderError | null;
  /** Milliseconds on the clock of `performance.now`. */
  askedAt: number;
  firstTextAt: number | null;
  endedAt: number | null;
  /** Earlier turns that went along, and whether there were more of them. */
  historyTurns: number;
  historyCut: boolean;
}

export function isRunning(turn: Turn): boolean {
  return turn.status === 'routing' || turn.status === 'waiting' || turn.status === 'answering';
}

export class Conversation {
  readonly #turns: Turn[] = [];

  get last(): Turn | undefined {
    return this.#turns.at(-1);
  }

  /** Returns the turns that had to go. */
  add(turn: Turn): Turn[] {
    this.#turns.push(turn);
    return this.#turns.splice(0, Math.max(0, this.#turns.length - turnLimit));
  }

  clear(): void {
    this.#turns.length = 0;
  }

  /**
   * The messages for `turn`, its question last, and at most `turns` answered turns before it. Sets on the turn what went
   * along. What was said on this device stays here: it never goes along to the server.
   */
  messagesFor(turn: Turn, turns = historyTurns): ChatMessage[] {
    const earlier = this.#turns.slice(0, this.#turns.indexOf(turn)).filter(({ answer }) => answer !== '');
    const taken: Turn[] = [];
    const allowed = earlier.filter(({ place }) => place === 'edge' || turn.place === 'device');
    let room = historyCharacters - turn.question.length;
    for (const one of allowed.toReversed()) {
      room -= one.question.length + one.answer.length;
      if (taken.length === turns || room < 0) break;
      taken.unshift(one);
    }
    turn.historyTurns = taken.length;
    turn.historyCut = taken.length < earlier.length;
    return [
      ...taken.flatMap(({ question, answer }): ChatMessage[] => [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ]),
      { role: 'user', content: turn.question },
    ];
  }
}

export function newTurn(question: string, model: string, place: Turn['place']): Turn {
  return {
    question,
    model,
    place,
    device: null,
    answer: '',
    status: 'routing',
    trace: {},
    finish: null,
    usage: null,
    failure: null,
    askedAt: performance.now(),
    firstTextAt: null,
    endedAt: null,
    historyTurns: 0,
    historyCut: false,
  };
}

/** Forgets what an earlier try left, so that the same question can be asked again. */
export function restart(turn: Turn, model: string, place: Turn['place']): void {
  Object.assign(turn, newTurn(turn.question, model, place));
}
