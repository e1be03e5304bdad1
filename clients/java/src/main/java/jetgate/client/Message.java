package jetgate.client;

import com.google.protobuf.UnsafeByteOperations;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import jetgate.v1.Expectation;
import jetgate.v1.PublishRequest;

/**
 * What is published. The payload must not be changed before the outcome is known.
 */
public final class Message {
  private static final int OVERHEAD = 64;

  private final PublishRequest request;

  private Message(PublishRequest request) {
    this.request = request;
  }

  /** A message with a payload and nothing else. */
  public static Message of(String subject, byte[] payload) {
    return builder(subject).payload(payload).build();
  }

  /** A message with a text and nothing else. */
  public static Message of(String subject, String text) {
    return builder(subject).payload(text).build();
  }

  /** A message to this subject, with more to be said. */
  public static Builder builder(String subject) {
    return new Builder(subject);
  }

  PublishRequest request() {
    return request;
  }

  int size() {
    return request.getData().size() + request.getSubject().length() + OVERHEAD;
  }

  /** Says what a message has. */
  public static final class Builder {
    private final PublishRequest.Builder request = PublishRequest.newBuilder();
    private final List<Header> headers = new ArrayList<>();
    private Expectation.Builder expect;

    private Builder(String subject) {
      request.setSubject(subject).setData(com.google.protobuf.ByteString.EMPTY);
    }

    /** The payload. */
    public Builder payload(byte[] payload) {
      request.setData(UnsafeByteOperations.unsafeWrap(payload));
      return this;
    }

    /** The payload as text. */
    public Builder payload(String text) {
      return payload(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds a header. Names that begin with "Nats-" are reserved. */
    public Builder header(String name, String value) {
      headers.add(new Header(name, value));
      return this;
    }

    /** Adds headers. */
    public Builder headers(List<Header> more) {
      headers.addAll(more);
      return this;
    }

    /**
     * Names the event: a stream stores one message of an id while its duplicate window lasts. Without one the library
     * makes one for its own retries, which does not help a program that publishes the event anew after a crash.
     */
    public Builder messageId(String id) {
      request.setMessageId(id);
      return this;
    }

    /** How long the stream keeps the message, instead of what its own limits say. */
    public Builder ttl(Duration ttl) {
      request.setTtl(Durations.toProto(ttl));
      return this;
    }

    /** Only into this stream. */
    public Builder expectStream(String stream) {
      expect().setStream(stream);
      return this;
    }

    /** Only if this is the stream's last sequence. */
    public Builder expectLastSequence(long sequence) {
      expect().setLastSequence(sequence);
      return this;
    }

    /** Only if this is the sequence of the last message with the subject; 0 is none. */
    public Builder expectLastSubjectSequence(long sequence) {
      expect().setLastSubjectSequence(sequence);
      return this;
    }

    /** Only if the stream's last message has this id. */
    public Builder expectLastMessageId(String id) {
      expect().setLastMessageId(id);
      return this;
    }

    /** The message. */
    public Message build() {
      headers.forEach(header -> request.addHeaders(header.toProto()));
      if (expect != null) {
        request.setExpect(expect);
      }
      return new Message(request.build());
    }

    private Expectation.Builder expect() {
      if (expect == null) {
        expect = Expectation.newBuilder();
      }
      return expect;
    }
  }
}
