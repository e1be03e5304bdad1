// What the console does as a command to paste: the console's own address takes gRPC, too.

import { type DescMethod, type MessageInitShape, create, toJsonString } from "@bufbuild/protobuf";
import { isSignedIn } from "./caller";

/** The command of a call. The token is not in it: it is read from the environment. */
export function grpcurl<M extends DescMethod>(method: M, request: MessageInitShape<M["input"]>): string {
  const { input, parent } = method;
  const json = toJsonString(input, create(input, request as MessageInitShape<typeof input>));
  const words = ["grpcurl"];
  if (location.protocol === "http:") words.push("-plaintext");
  if (isSignedIn()) words.push('-H "authorization: Bearer $JETGATE_API_KEY"');
  if (json !== "{}") words.push(`-d ${quoted(json)}`);
  return [...words, location.host, `${parent.typeName}/${method.name}`].join(" ");
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
