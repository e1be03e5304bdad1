{{/* Names, labels, durations, and what is derived from the values in more than one place. */}}

{{- define "jetgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* At most 54 characters, so that suffixes such as -headless fit into a DNS label. */}}
{{- define "jetgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else if contains (include "jetgate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "jetgate.name" .) | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "jetgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "jetgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The pods of the gateway, and no others of the release such as the test's. */}}
{{- define "jetgate.podSelectorLabels" -}}
{{ include "jetgate.selectorLabels" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "jetgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "jetgate.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "jetgate.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{- define "jetgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "jetgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* The Secret with the listener's certificate; empty without TLS. */}}
{{- define "jetgate.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- printf "%s-tls" (include "jetgate.fullname" .) -}}
{{- end -}}
{{- end }}

{{/* Whether the network policy names who stands in front: in `ingress`, or as clients that are not of this namespace. */}}
{{- define "jetgate.admitsTheEdge" -}}
{{- with .Values.networkPolicy -}}
{{- if .ingress -}}
true
{{- else -}}
{{- range .clients -}}
{{- if or (hasKey . "namespaceSelector") (hasKey . "ipBlock") -}}
true
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A duration such as "1m 30s" in whole seconds, rounded up; units as the gateway reads them. */}}
{{- define "jetgate.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+ *[a-z]+" (toString .) -1 -}}
{{- $number := regexFind "[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- if has $unit (list "ms" "msec" "millis") -}}
{{- $milliseconds = add $milliseconds $number -}}
{{- else if has $unit (list "s" "sec" "secs" "second" "seconds") -}}
{{- $milliseconds = add $milliseconds (mul $number 1000) -}}
{{- else if has $unit (list "m" "min" "mins" "minute" "minutes") -}}
{{- $milliseconds = add $milliseconds (mul $number 60000) -}}
{{- else if has $unit (list "h" "hr" "hrs" "hour" "hours") -}}
{{- $milliseconds = add $milliseconds (mul $number 3600000) -}}
{{- end -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end }}

{{/* What a pod needs from SIGTERM to its end; a grace period that is too short is refused. */}}
{{- define "jetgate.terminationGrace" -}}
{{- $drain := include "jetgate.seconds" (dig "shutdown" "drain" "30s" .Values.config) | int64 -}}
{{- $needed := add .Values.preStop.sleepSeconds $drain 10 | int64 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- $needed -}}
{{- else if lt (int64 $given) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: preStop.sleepSeconds, config.shutdown.drain and 10 s need %d" (int64 $given) $needed) -}}
{{- else -}}
{{- int64 $given -}}
{{- end -}}
{{- end }}

{{/* A value of the configuration in TOML; Helm reads every number of a file as a floating one. */}}
{{- define "jetgate.tomlValue" -}}
{{- if kindIs "string" . -}}
{{- toJson . -}}
{{- else if kindIs "float64" . -}}
{{- /* Every number of a values file is one. */ -}}
{{- ternary (int64 .) (toJson .) (eq (float64 (int64 .)) .) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{/* The configuration file: config, and what the chart's other values set. */}}
{{- define "jetgate.toml" -}}
{{- $host := .Values.listenHost -}}
{{- $files := dict
  "server" (dict "listen" (printf "%s:50051" $host) "allow_anonymous" .Values.auth.allowAnonymous)
  "admin" (dict "listen" (printf "%s:50052" $host))
  "nats" (dict "url" .Values.nats.url)
  "tls" dict
  "auth" dict -}}
{{- if include "jetgate.tlsSecret" . -}}
{{- $_ := set $files.tls "cert_file" "/etc/jetgate/tls/tls.crt" -}}
{{- $_ := set $files.tls "key_file" "/etc/jetgate/tls/tls.key" -}}
{{- end -}}
{{- with .Values.tls.clientCA -}}
{{- if .existingSecret -}}
{{- $_ := set $files.tls "client_ca_file" (printf "/etc/jetgate/client-ca/%s" .key) -}}
{{- end -}}
{{- end -}}
{{- with .Values.auth.apiKeys -}}
{{- if .existingSecret -}}
{{- $_ := set $files.auth "api_keys_file" (printf "/etc/jetgate/api-keys/%s" .key) -}}
{{- end -}}
{{- end -}}
{{- with .Values.nats.auth.credentialsKey -}}
{{- $_ := set $files.nats "credentials_file" (printf "/etc/jetgate/nats/%s" .) -}}
{{- end -}}
{{- with .Values.nats.tls -}}
{{- if .existingSecret -}}
{{- range $setting, $key := dict "tls_ca_file" .caKey "tls_cert_file" .certKey "tls_key_file" .privateKeyKey -}}
{{- if $key -}}
{{- $_ := set $files.nats $setting (printf "/etc/jetgate/nats-tls/%s" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
# Made by the chart: values of `config`, and what its other values set.
{{- range $section, $keys := merge $files (deepCopy .Values.config) }}
{{- if $keys }}

[{{ $section }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "jetgate.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Pod security "restricted", for every pod of the release. */}}
{{- define "jetgate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "jetgate.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Alerts and dashboards name the exporter's metrics as the NATS chart does; here as `monitoring.natsPrefix` says. */}}
{{- define "jetgate.natsMetrics" -}}
{{- regexReplaceAll "\\bnats_(account|consumer|server|stream)_" .text (printf "%s_${1}_" .prefix) -}}
{{- end }}
