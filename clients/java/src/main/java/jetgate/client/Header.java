package jetgate.client;

import com.google.protobuf.ByteString;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One header of a message. A name may occur several times.
 *
 * @param name printable ASCII without spaces and colons
 * @param value the value as it is on the wire: UTF-8, unless a publisher wrote something else
 */
public record Header(String name, byte[] value) {
  /** A header with a text. */
  public Header(String name, String value) {
    this(name, value.getBytes(StandardCharsets.UTF_8));
  }

  /** The value as text. */
  public String text() {
    return new String(value, StandardCharsets.UTF_8);
  }

  jetgate.v1.Header toProto() {
    var header = jetgate.v1.Header.newBuilder().setName(name);
    var bytes = ByteString.copyFrom(value);
    return bytes.isValidUtf8() ? header.setValueBytes(bytes).build() : header.setBinaryValue(bytes).build();
  }

  static Header of(jetgate.v1.Header header) {
    var value = header.getBinaryValue().isEmpty() ? header.getValueBytes() : header.getBinaryValue();
    return new Header(header.getName(), value.toByteArray());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Header header && name.equals(header.name) && Arrays.equals(value, header.value);
  }

  @Override
  public int hashCode() {
    return 31 * name.hashCode() + Arrays.hashCode(value);
  }

  @Override
  public String toString() {
    return name + ": " + text();
  }
}
