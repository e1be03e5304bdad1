// Who consumes and publishes through the gateway now, on every replica.

import { GatewayService } from "jetgate/proto/gateway";
import { grpcurl } from "../grpcurl";
import { listSessions } from "../lists";
import { usePolled } from "../polled";
import { CopyButton } from "../ui/copy";
import { Shown } from "../ui/problem";
import { SessionsTable } from "./table";

/** Time between two looks: every replica is asked. */
const EVERY_MS = 2_000;

export function SessionsPage() {
  const sessions = usePolled("sessions", EVERY_MS, (signal) => listSessions({}, signal));
  return (
    <>
      <h1>Sessions</h1>
      <Shown of={sessions}>
        {(sessions) => (
          <SessionsTable of={sessions} withStream>
            <CopyButton text={grpcurl(GatewayService.method.listSessions, {})} label="Copy as grpcurl" />
          </SessionsTable>
        )}
      </Shown>
    </>
  );
}
