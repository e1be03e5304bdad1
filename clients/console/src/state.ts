// What is wrong, or nearly, with a stream or a consumer.

import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Consumer } from "jetgate/proto/consumer";
import { DiscardPolicy } from "jetgate/web";
import type { Stream } from "jetgate/proto/stream";
import type { ClusterInfo } from "jetgate/proto/types";
import { lasting } from "./format";
import { FULL } from "./ui/chart";

/** A word, and how bad it is. */
export interface Finding {
  readonly tone: "bad" | "warn" | "calm";
  readonly text: string;
}

/** How full a stream is, by the limit that it is closest to; undefined without limits. */
export function fullness({ config, state }: Stream): { part: number; limit: string } | undefined {
  const limits = [
    { limit: "max_bytes", part: partOf(state!.bytes, config!.maxBytes) },
    { limit: "max_msgs", part: partOf(state!.messages, config!.maxMsgs) },
  ];
  const known = limits.filter(({ part }) => part !== undefined) as { part: number; limit: string }[];
  return known.sort((one, other) => other.part - one.part)[0];
}

function partOf(value: bigint, most: bigint | undefined): number | undefined {
  return most !== undefined && most > 0n ? Number(value) / Number(most) : undefined;
}

export function findingsOfStream(stream: Stream): Finding[] {
  const findings = findingsOfCluster(stream.cluster);
  const full = fullness(stream);
  if (full && full.part >= FULL) {
    // One that drops its oldest messages is always full sooner or later.
    const refuses = stream.config!.discard === DiscardPolicy.NEW;
    findings.push({ tone: refuses ? "bad" : "warn", text: `near ${full.limit}` });
  }
  if (stream.config!.sealed) findings.push({ tone: "calm", text: "sealed" });
  for (const source of [stream.mirror, ...stream.sources]) {
    if (source?.error) findings.push({ tone: "bad", text: `${source.name}: ${source.error}` });
  }
  return findings;
}

export function findingsOfConsumer({ config, state, cluster }: Consumer): Finding[] {
  const findings = findingsOfCluster(cluster);
  if (state?.paused) {
    const rest = state.pauseRemaining ? `, ${lasting(durationMs(state.pauseRemaining))} left` : "";
    findings.push({ tone: "warn", text: `paused${rest}` });
  }
  const most = config?.maxAckPending ?? 0n;
  if (most > 0n && state!.numAckPending >= most) findings.push({ tone: "bad", text: "max_ack_pending reached" });
  for (const { group, pinnedClientId } of state?.priorityGroups ?? []) {
    if (pinnedClientId) findings.push({ tone: "calm", text: `${group} is pinned` });
  }
  return findings;
}

function findingsOfCluster(cluster: ClusterInfo | undefined): Finding[] {
  if (!cluster) return [];
  const findings: Finding[] = [];
  if (!cluster.leader) findings.push({ tone: "bad", text: "no leader" });
  for (const { name, current, offline } of cluster.replicas) {
    if (offline) findings.push({ tone: "warn", text: `${name} is offline` });
    else if (!current) findings.push({ tone: "warn", text: `${name} is behind` });
  }
  return findings;
}
