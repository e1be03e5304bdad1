// A table of sessions: whose they are, how they stand, and an end to them.

import type { ComponentChildren } from "preact";
import { GatewayService } from "jetgate/proto/gateway";
import { type SessionInfo, SessionKind } from "jetgate/proto/live_session";
import { client } from "../caller";
import { age, bytes, count, words } from "../format";
import { grpcurl } from "../grpcurl";
import type { Sessions } from "../lists";
import { to } from "../route";
import { ask } from "../ui/action";
import { Meter } from "../ui/chart";
import { Mark } from "../ui/facts";
import { type Column, Table } from "../ui/table";
import { callerOf, isStalled, stateOf } from "./words";

const WHERE: readonly Column<SessionInfo>[] = [
  { title: "Stream", by: ({ stream }) => stream, cell: ({ stream }) => stream && <a href={to("stream", stream)}>{stream}</a> },
  {
    title: "Consumer",
    by: ({ consumer }) => consumer,
    cell: ({ stream, consumer }) => consumer && <a href={to("consumer", stream, consumer)}>{consumer}</a>,
  },
];

const WHO: Column<SessionInfo> = {
  title: "Caller",
  by: callerOf,
  cell: (session) => <span title={`${session.peer} ${session.userAgent}`}>{callerOf(session)}</span>,
};

const HOW: readonly Column<SessionInfo>[] = [
  { title: "RPC", by: ({ kind }) => kind, cell: ({ kind }) => words(SessionKind, kind) },
  { title: "State", by: stateOf, cell: (session) => <State of={session} /> },
  {
    title: "Window",
    kind: "number",
    by: ({ outstandingMessages, maxOutstandingMessages: most }) => (most > 0 ? outstandingMessages / most : 0),
    cell: ({ outstandingMessages, maxOutstandingMessages: most, outstandingBytes }) => (
      <span title={bytes(outstandingBytes)}>
        {count(outstandingMessages)} of {count(most)} {most > 0 && <Meter part={outstandingMessages / most} what="of the window" />}
      </span>
    ),
  },
  { title: "Lag", kind: "number", by: ({ pending }) => pending ?? -1n, cell: ({ pending }) => (pending === undefined ? "" : count(pending)) },
  { title: "Messages", kind: "number", extra: true, by: ({ messageCount }) => messageCount, cell: ({ messageCount }) => count(messageCount) },
  { title: "Age", kind: "number", extra: true, by: ({ startTime }) => -(startTime?.seconds ?? 0n), cell: ({ startTime }) => age(startTime) },
  { title: "Replica", extra: true, by: ({ gatewayId }) => gatewayId, cell: ({ gatewayId }) => <code>{gatewayId}</code> },
  {
    title: "End",
    cell: (session) => (
      <button type="button" class="link danger" onClick={() => askToTerminate(session)}>
        Terminate<span class="visually-hidden"> the session of {callerOf(session)}</span>…
      </button>
    ),
  },
];

const ALL = [WHO, ...WHERE, ...HOW];
const OF_ONE_CONSUMER = [WHO, ...HOW];

interface Props {
  of: Sessions;
  /** Whether they are of several streams and consumers. */
  withStream: boolean;
  children?: ComponentChildren;
}

export function SessionsTable({ of: { sessions, replicas }, withStream, children }: Props) {
  const silent = replicas.filter(({ answered }) => !answered);
  return (
    <>
      {silent.length > 0 && (
        <p class="problem" role="status">
          {silent.length === 1 ? "One replica has" : `${silent.length} replicas have`} not answered; their sessions are missing.
        </p>
      )}
      <Table
        label="Sessions"
        columns={withStream ? ALL : OF_ONE_CONSUMER}
        rows={sessions}
        keyOf={({ sessionId }) => sessionId}
        text={(session) => `${callerOf(session)} ${session.stream} ${session.consumer} ${stateOf(session)} ${session.peer}`}
        sort={["Caller", false]}
        tone={(session) => (isStalled(session) ? "warn" : undefined)}
        empty="Nobody has a session, on any replica."
      >
        {children}
        <span class="quiet">
          {replicas.length - silent.length} of {replicas.length} replicas answered
        </span>
      </Table>
    </>
  );
}

function State({ of }: { of: SessionInfo }) {
  const tone = of.draining || isStalled(of) ? "warn" : of.stallReason ? "calm" : "good";
  return <Mark tone={tone}>{stateOf(of)}</Mark>;
}

function askToTerminate(session: SessionInfo): void {
  const request = { sessionId: session.sessionId, reason: "by an operator, in the console" };
  ask({
    title: "Terminate the session?",
    text: (
      <p>
        {callerOf(session)} is told to end, and may settle the {count(session.outstandingMessages)} messages that it holds for a
        while. Nothing keeps it from opening another session: pause its consumer for that.
      </p>
    ),
    button: "Terminate",
    danger: true,
    command: grpcurl(GatewayService.method.terminateSession, request),
    call: async () => {
      await client.services.gateway.terminateSession(request);
      return "The session was told to end.";
    },
  });
}
