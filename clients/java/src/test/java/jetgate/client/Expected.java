package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;

/** What scenarios write down, and whether something is so. */
final class Expected {
  private Expected() {}

  /** Text, or the bytes that are written as base64. */
  static byte[] value(JsonElement written) {
    if (written == null) {
      return new byte[0];
    }
    return written.isJsonObject()
        ? Base64.getDecoder().decode(written.getAsJsonObject().get("base64").getAsString())
        : written.getAsString().getBytes(StandardCharsets.UTF_8);
  }

  /** Headers, sorted by name: several values of a name keep their order. */
  static List<Header> headers(JsonArray written) {
    var headers = new ArrayList<Header>();
    for (var pair : written) {
      var parts = pair.getAsJsonArray();
      headers.add(new Header(parts.get(0).getAsString(), value(parts.get(1))));
    }
    return headers;
  }

  static List<Header> sorted(List<Header> headers) {
    return headers.stream().sorted(Comparator.comparing(Header::name)).toList();
  }

  static Message message(JsonObject written) {
    var message = Message.builder(written.get("subject").getAsString()).payload(value(written.get("payload")));
    for (var name : written.keySet()) {
      var field = written.get(name);
      switch (name) {
        case "subject", "payload" -> {}
        case "headers" -> message.headers(headers(field.getAsJsonArray()));
        case "message_id" -> message.messageId(field.getAsString());
        case "expect" -> expect(message, field.getAsJsonObject());
        default -> fail("unknown field " + name);
      }
    }
    return message.build();
  }

  private static void expect(Message.Builder message, JsonObject conditions) {
    for (var name : conditions.keySet()) {
      var field = conditions.get(name);
      switch (name) {
        case "stream" -> message.expectStream(field.getAsString());
        case "last_sequence" -> message.expectLastSequence(field.getAsLong());
        case "last_subject_sequence" -> message.expectLastSubjectSequence(field.getAsLong());
        case "last_message_id" -> message.expectLastMessageId(field.getAsString());
        default -> fail("unknown field " + name);
      }
    }
  }

  static void error(JetgateException error, JsonObject expected) {
    for (var name : expected.keySet()) {
      var field = expected.get(name);
      switch (name) {
        case "reason" -> assertEquals(field.getAsString(), error.reason(), error.toString());
        case "code" -> assertEquals(field.getAsString(), error.code().name(), error.toString());
        case "retry" -> assertEquals(field.getAsString(), error.retry().name().toLowerCase(), error.toString());
        case "metadata" -> field.getAsJsonObject().entrySet()
            .forEach(fact -> assertEquals(fact.getValue().getAsString(), error.metadata().get(fact.getKey())));
        case "violations" -> assertEquals(
            World.texts(field.getAsJsonArray()), error.violations().keySet().stream().sorted().toList());
        case "retry_delay" -> assertEquals(Duration.ofMillis((long) (field.getAsDouble() * 1e3)), error.retryDelay());
        case "says" -> assertTrue(error.getMessage().toLowerCase().contains(field.getAsString()), error.toString());
        default -> fail("unknown field " + name);
      }
    }
  }

  static void outcome(PublishResult result, JetgateException error, JsonObject expected) {
    if (expected.has("error")) {
      error(error, expected.getAsJsonObject("error"));
    } else if (error != null) {
      throw error;
    } else {
      result(result, expected);
    }
  }

  static void result(PublishResult result, JsonObject expected) {
    for (var name : expected.keySet()) {
      var field = expected.get(name);
      switch (name) {
        case "stream" -> assertEquals(field.getAsString(), result.stream());
        case "sequence" -> assertEquals(field.getAsLong(), result.sequence());
        case "duplicate" -> assertEquals(field.getAsBoolean(), result.duplicate());
        case "message_id" -> assertEquals(field.getAsString(), result.messageId());
        default -> fail("unknown field " + name);
      }
    }
  }

  static void delivery(Delivery message, JsonObject expected) {
    for (var name : expected.keySet()) {
      var field = expected.get(name);
      switch (name) {
        case "subject" -> assertEquals(field.getAsString(), message.subject());
        case "payload" -> assertArrayEquals(value(field), message.payload(), message + ": " + message.text());
        case "sequence" -> assertEquals(field.getAsLong(), message.sequence());
        case "attempt" -> assertEquals(field.getAsInt(), message.attempt(), message.toString());
        case "message_id" -> assertEquals(field.getAsString(), message.messageId());
        case "headers" -> assertEquals(sorted(headers(field.getAsJsonArray())), sorted(message.headers()));
        default -> fail("unknown field " + name);
      }
    }
  }

  /** An answer of the world has all of this. */
  static void answer(JsonObject answer, JsonObject expected) {
    for (var name : expected.keySet()) {
      if (name.equals("headers")) {
        assertEquals(
            sorted(headers(expected.getAsJsonArray(name))), sorted(headers(answer.getAsJsonArray(name))));
      } else {
        assertEquals(expected.get(name), answer.get(name), name);
      }
    }
  }
}
