// How a stream is configured.

import { StreamConfigSchema } from "jetgate/proto/stream_config";
import { StreamService } from "jetgate/proto/stream";
import { STREAM_DEFAULTS, settings } from "../config";
import { grpcurl } from "../grpcurl";
import { CopyButton } from "../ui/copy";
import { Settings } from "../ui/facts";
import type { PartProps } from "./page";

export function Configuration({ stream: { config } }: PartProps) {
  const command = () => grpcurl(StreamService.method.getStream, { stream: config!.name });
  return (
    <>
      <div class="tools">
        <CopyButton text={command} label="Copy as grpcurl" />
      </div>
      <Settings of={settings(StreamConfigSchema, config!, STREAM_DEFAULTS)} />
    </>
  );
}
