package jetgate.client;

import com.google.gson.JsonObject;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.DiscardPolicy;
import jetgate.v1.StreamConfig;

/** The configurations that scenarios write down. */
final class Configs {
  private Configs() {}

  static StreamConfig stream(JsonObject fields) {
    var config = new Step(fields);
    var stream = StreamConfig.newBuilder().setName(config.text("name", ""));
    config.array("subjects").forEach(subject -> stream.addSubjects(subject.getAsString()));
    stream.setNumReplicas(config.number("num_replicas", 0));
    stream.setAllowAtomic(config.flag("allow_atomic")).setAllowBatched(config.flag("allow_batched"));
    if (config.has("max_msgs")) {
      stream.setMaxMsgs(config.number("max_msgs", 0));
    }
    if (config.text("discard", "").equals("new")) {
      stream.setDiscard(DiscardPolicy.DISCARD_POLICY_NEW);
    }
    if (config.has("duplicate_window")) {
      stream.setDuplicateWindow(Durations.toProto(config.time("duplicate_window", null)));
    }
    config.allRead();
    return stream.build();
  }

  static ConsumerConfig consumer(JsonObject fields) {
    var config = new Step(fields);
    var consumer = ConsumerConfig.newBuilder().setDurableName(config.text("durable_name", ""));
    if (config.has("ack_wait")) {
      consumer.setAckWait(Durations.toProto(config.time("ack_wait", null)));
    }
    if (config.has("max_deliver")) {
      consumer.setMaxDeliver(config.number("max_deliver", 0));
    }
    config.allRead();
    return consumer.build();
  }
}
