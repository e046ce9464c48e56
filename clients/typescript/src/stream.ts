// SPDX-License-Identifier: Apache-2.0
//
// What an application has of a call with partial replies.
import type { StreamCall } from "./calls.js";
import { failure } from "./errors.js";
import { Status } from "./statuses.js";

/**
 * The partial replies of a call, and its answer.
 *
 *     for await (const part of stream) …
 *     const reply = await stream.reply();
 *
 * A part makes room for another one when the loop asks for the next. So a slow loop holds up its own handler, and nobody
 * else. Leaving the loop cancels the call.
 */
export class ReplyStream<Part, Reply> implements AsyncIterable<Part> {
  private iterated = false;

  constructor(private readonly begun: Promise<StreamCall<Part, Reply>>) {
    begun.catch(() => {}); // the loop and reply() give the error
  }

  [Symbol.asyncIterator](): AsyncIterator<Part, undefined> {
    this.iterated = true;
    const { begun } = this;
    let call: StreamCall<Part, Reply> | undefined;
    return {
      next: () => {
        if (call) return call.next();
        return begun.then((made) => (call = made).next());
      },
      return: async () => {
        const made = await begun;
        made.drop();
        made.giveUp(failure(Status.canceled, "the loop over the parts was left"));
        return { done: true, value: undefined };
      },
    };
  }

  /** The answer after all parts. If nobody loops over the parts, they are dropped. */
  async reply(): Promise<Reply> {
    const call = await this.begun;
    if (!this.iterated) call.drop();
    return call.reply();
  }

  /** Asks for the end of the call. */
  cancel(): void {
    this.begun.then(
      (call) => call.cancel(),
      () => {},
    );
  }
}
