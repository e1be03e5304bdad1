// A search as a command to paste.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SubscriberService } from "jetgate/proto/subscriber";
import { DeliverPolicy } from "jetgate/web";
import { grpcurl } from "../grpcurl";
import { type From, PAGE, type Range } from "./search";

/** A read that has the messages; without a filter no others come before them. */
export function command(stream: string, extent: Range, from: From, filter: string): string {
  const filterSubjects = filter ? [filter] : [];
  return grpcurl(SubscriberService.method.subscribe, {
    stream,
    source: { case: "ordered", value: { ...startOf(extent, from), filterSubjects } },
    stopAt: { position: { case: "last", value: true } },
  });
}

function startOf({ first, last }: Range, from: From) {
  switch (from.kind) {
    case "oldest":
      return { deliverPolicy: DeliverPolicy.ALL };
    case "last per subject":
      return { deliverPolicy: DeliverPolicy.LAST_PER_SUBJECT };
    case "time":
      return { deliverPolicy: DeliverPolicy.BY_START_TIME, optStartTime: timestampFromDate(from.time) };
    case "sequence":
      return { deliverPolicy: DeliverPolicy.BY_START_SEQUENCE, optStartSeq: from.sequence };
    case "newest":
    case "before": {
      const start = (from.kind === "before" ? from.sequence : last + 1n) - BigInt(PAGE);
      return { deliverPolicy: DeliverPolicy.BY_START_SEQUENCE, optStartSeq: start > first ? start : first };
    }
  }
}
