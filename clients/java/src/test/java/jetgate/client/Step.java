package jetgate.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;

/** A step of a scenario, which remembers what was read of it: a field that nobody reads is one that is not understood. */
final class Step {
  private final JsonObject fields;
  private final Set<String> read = new HashSet<>(Set.of("do", "client", "within", "error", "background"));

  Step(JsonObject fields) {
    this.fields = fields;
  }

  void allRead() {
    if (!read.containsAll(fields.keySet())) {
      var unknown = new HashSet<>(fields.keySet());
      unknown.removeAll(read);
      throw new AssertionError("unknown fields " + unknown);
    }
  }

  JsonElement get(String name) {
    read.add(name);
    return fields.get(name);
  }

  boolean has(String name) {
    return get(name) != null;
  }

  String text(String name, String unset) {
    return has(name) ? get(name).getAsString() : unset;
  }

  int number(String name, int unset) {
    return has(name) ? get(name).getAsInt() : unset;
  }

  boolean flag(String name) {
    return has(name) && get(name).getAsBoolean();
  }

  Duration time(String name, Duration unset) {
    return has(name) ? seconds(get(name)) : unset;
  }

  JsonObject object(String name) {
    return has(name) ? get(name).getAsJsonObject() : new JsonObject();
  }

  JsonArray array(String name) {
    return has(name) ? get(name).getAsJsonArray() : new JsonArray();
  }

  static Duration seconds(JsonElement number) {
    return Duration.ofNanos((long) (number.getAsDouble() * 1e9));
  }

  @Override
  public String toString() {
    return fields.toString();
  }
}
