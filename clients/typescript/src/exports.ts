// What the entries for Node and for browsers have in common.

export { type ApplyOptions, type Applied, Consumers, Streams, type UpdateOptions } from "./admin.js";
export type { FetchOptions, UnaryPublishOptions } from "./client.js";
export type { ConfigInit } from "./config.js";
export { Consumer, type ConsumerSource } from "./consumer.js";
export { type Header, Message } from "./consuming/message.js";
export type { ConsumerOptions, RunOptions } from "./consuming/options.js";
export { Code, type FieldViolation, JetgateError, type Reason, type Retryability } from "./errors.js";
export { AckPolicy, DeliverPolicy, PriorityPolicy, ReplayPolicy } from "./gen/jetgate/v1/consumer_config_pb.js";
export { Compression, DiscardPolicy, PersistMode, RetentionPolicy } from "./gen/jetgate/v1/stream_config_pb.js";
export { StorageType } from "./gen/jetgate/v1/types_pb.js";
export type {
  BatchMessage,
  Expectation,
  HeaderValue,
  HeadersInit,
  MessageOptions,
  Payload,
  PublishResult,
  Schedule,
} from "./publishing/message.js";
export type { RpcOptions, ServiceClient } from "./rpc.js";
export { type Position, Subscription, type SubscriptionOptions } from "./subscription.js";
export { VERSION } from "./version.js";
