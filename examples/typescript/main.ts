// SPDX-License-Identifier: Apache-2.0
import { CallError, Context } from "@backplane/client";
import { Kv } from "./generated/kv.js";
import { Session } from "./generated/session.js";
import { InvalidArgumentError, Timer } from "./generated/timer.js";

async function main(socketPath: string | undefined): Promise<void> {
  const context = await Context.connect({
    socketPath,
    onState: ({ message }) => console.error(message),
  });
  const kv = new Kv(context);
  const timer = new Timer(context);
  const session = new Session(context);

  // An event, in the order in which it comes.
  const changes = kv.changedEvents();
  await kv.put({ key: "greeting", value: ["hello", 2n ** 63n] });
  for await (const { key, change } of changes) {
    console.log(`${key}: ${change}`);
    break;
  }
  const { value } = await kv.get({ key: "greeting" });
  console.log(value);

  // Partial replies: a slow loop holds up the handler, and nobody else.
  const ticks = timer.ticks({ count: 3, interval_ms: 10 });
  for await (const { tick, of } of ticks) console.log(`tick ${tick} of ${of}`);
  console.log(`${(await ticks.reply()).ticks} ticks`);

  // A timeout, and an error that the module declares.
  try {
    await timer.echo({ message: "late", delay_ms: 5000 }, { timeout: 50 });
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    console.log(error.name);
  }
  try {
    await timer.echo({ message: "never", delay_ms: 3600000 });
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    console.log(error.message);
  }

  // A host function: the module session asks this program.
  const profiles = await session.provideProfileFetch(async ({ user_id }) => ({
    name: `user ${user_id}`,
  }));
  const { profile } = await session.login({ user_id: 42n });
  console.log(profile);
  await profiles.withdraw();
  await context.close();
}

await main(process.argv[2]);

// Without the package @types/node, this is all that is needed of Node.
declare const process: { readonly argv: readonly string[] };
