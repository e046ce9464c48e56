// SPDX-License-Identifier: Apache-2.0
//
// The few declarations of Node that this package uses. So it needs no package of types, and its own types need none.
declare module "node:buffer" {
  export const Buffer: { from(memory: ArrayBufferLike, offset: number, length: number): Uint8Array };
}
declare module "node:net" {
  export interface Socket {
    readonly writableLength: number;
    on(event: "connect" | "end" | "close", listener: () => void): this;
    on(event: "error", listener: (error: Error & { code?: string }) => void): this;
    write(bytes: Uint8Array, written: () => void): boolean;
    end(): this;
    destroy(): this;
  }
  export function connect(options: {
    path: string;
    onread: { buffer: Uint8Array; callback: (length: number, buffer: Uint8Array) => boolean };
  }): Socket;
}
declare module "node:os" {
  export function tmpdir(): string;
}
declare const process: {
  readonly env: { readonly [name: string]: string | undefined };
  readonly pid: number;
  getuid?(): number;
};
declare function setImmediate(task: () => void): unknown;
