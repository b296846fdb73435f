{{- define "rescind.name" -}}
{{- printf "%s-%s" .root.Release.Name .service | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "rescind.selector" -}}
app.kubernetes.io/name: rescind
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "rescind.labels" -}}
{{ include "rescind.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* The restricted profile of Pod Security Standards. */}}
{{- define "rescind.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "rescind.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* The ports of kafka.brokers, each once. */}}
{{- define "rescind.kafkaPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.kafka.brokers }}{{ $ports = append $ports (last (splitList ":" .)) }}{{ end -}}
{{- $ports | uniq | join "," -}}
{{- end -}}

{{/* The port of a URL. */}}
{{- define "rescind.urlPort" -}}
{{- $url := urlParse . -}}
{{- if contains ":" $url.host }}{{ last (splitList ":" $url.host) }}{{ else }}{{ ternary "443" "80" (eq $url.scheme "https") }}{{ end -}}
{{- end -}}

{{/* A setting out of a Secret: as a variable, or (secret.asFiles) as the file that it names. */}}
{{- define "rescind.secretEnv" -}}
{{- if .asFile -}}
- name: {{ .name }}_FILE
  value: /etc/rescind/secrets/{{ .secret }}/{{ .key }}
{{- else -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}
{{- end -}}

{{/* Of a rendered list of variables: the volumes for the secrets that it names as files, each with just these keys. */}}
{{- define "rescind.secretVolumes" -}}
{{- $secrets := dict -}}
{{- range . }}
{{- $parts := splitList "/" (default "" .value) }}
{{- if and (eq (len $parts) 6) (hasPrefix "/etc/rescind/secrets/" (default "" .value)) }}
{{- $_ := set $secrets (index $parts 4) (append (get $secrets (index $parts 4) | default list) (index $parts 5) | uniq) }}
{{- end }}
{{- end }}
{{- range $name, $keys := $secrets }}
- name: {{ printf "secret-%s" $name | trunc 63 | trimSuffix "-" }}
  secret:
    secretName: {{ $name }}
    defaultMode: 288 # 0440
    items: {{- range $keys }}
      - { key: {{ . }}, path: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}

{{- define "rescind.secretMounts" -}}
{{- range . | fromYamlArray }}
- { name: {{ .name }}, mountPath: /etc/rescind/secrets/{{ .secret.secretName }}, readOnly: true }
{{- end }}
{{- end -}}

{{/* The image of a service: by its digest where there is one, which is what was signed. */}}
{{- define "rescind.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get $image.digests .service -}}
{{- if $digest -}}
{{ $image.registry }}/rescind-{{ .service }}@{{ $digest }}
{{- else -}}
{{ $image.registry }}/rescind-{{ .service }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* How long Kubernetes waits before it kills: the pause of preStop, what the service may take, and some. */}}
{{- define "rescind.graceSeconds" -}}
{{- add 17 (div (int (get .env "SHUTDOWN_TIMEOUT_MS" | default "8000")) 1000) -}}
{{- end -}}

{{/* Whether a service is part of this installation: signals is where it has a name. */}}
{{- define "rescind.installed" -}}
{{- if or (ne .service "signals") .root.Values.signals.issuer }}true{{ end -}}
{{- end -}}

{{/* Whether somebody outside of the cluster has a URL for it, so that the ingress controller must reach it. */}}
{{- define "rescind.isPublic" -}}
{{- $values := .root.Values -}}
{{- $url := dict "webhook-ingress" "always" "signals" $values.signals.issuer "portal" $values.portal.publicUrl "token-verification" $values.tokenVerification.introspectionIssuer -}}
{{- if get $url .service }}true{{ end -}}
{{- end -}}

{{/* The settings of one service; names as its config.ts reads them. */}}
{{- define "rescind.env" -}}
{{- $values := .root.Values -}}
{{- $kafka := $values.kafka -}}
{{- $asFiles := $values.secret.asFiles -}}
- name: PORT
  value: "8080"
- name: LOG_LEVEL
  value: {{ $values.logLevel }}
- name: KAFKA_BROKERS
  value: {{ $kafka.brokers | quote }}
- name: KAFKA_TOPIC_PREFIX
  value: {{ $kafka.topicPrefix | quote }}
- name: KAFKA_PARTITIONS
  value: {{ $kafka.partitions | quote }}
- name: KAFKA_REPLICATION_FACTOR
  value: {{ $kafka.replicationFactor | quote }}
- name: KAFKA_MIN_INSYNC_REPLICAS
  value: {{ $kafka.minInsyncReplicas | quote }}
- name: KAFKA_TOPIC_PROBLEMS
  value: {{ $kafka.topicProblems }}
- name: KAFKA_SSL
  value: {{ $kafka.tls.enabled | quote }}
{{- if and $kafka.tls.enabled $kafka.tls.secretName }}
- name: KAFKA_SSL_CA_FILE
  value: /etc/rescind/kafka/ca.crt
{{- if $kafka.tls.clientCertificate }}
- name: KAFKA_SSL_CERT_FILE
  value: /etc/rescind/kafka/tls.crt
- name: KAFKA_SSL_KEY_FILE
  value: /etc/rescind/kafka/tls.key
{{- end }}
{{- end }}
{{- with $kafka.sasl }}
{{- if .mechanism }}
- name: KAFKA_SASL_MECHANISM
  value: {{ .mechanism }}
{{- if eq .mechanism "oauthbearer" }}
- name: KAFKA_SASL_TOKEN_ENDPOINT
  value: {{ required "kafka.sasl.tokenEndpoint is required with oauthbearer" .tokenEndpoint | quote }}
{{- with .scope }}
- name: KAFKA_SASL_SCOPE
  value: {{ . | quote }}
{{- end }}
{{- with .extensions }}
- name: KAFKA_SASL_EXTENSIONS
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "KAFKA_SASL_USERNAME" "secret" ($.config.kafkaSecretName | default .secretName) "key" "username") }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "KAFKA_SASL_PASSWORD" "secret" ($.config.kafkaSecretName | default .secretName) "key" "password") }}
{{- end }}
{{- end }}
{{- if $values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $values.tracing.endpoint | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $values.tracing.sampleRatio | quote }}
{{- if $values.secret.keys.tracingHeaders }}
{{ include "rescind.secretEnv" (dict "asFile" false "name" "OTEL_EXPORTER_OTLP_HEADERS" "secret" $values.secret.name "key" $values.secret.keys.tracingHeaders) }}
{{- end }}
{{- end }}
{{- with $values.secret }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "RESCIND_API_KEYS" "secret" .name "key" .keys.apiKeys) }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "RESCIND_ENCRYPTION_KEYS" "secret" .name "key" .keys.encryptionKeys) }}
{{- if has $.service (list "grants" "portal" "signals") }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "DATABASE_URL" "secret" .name "key" (index .keys (printf "%sDatabaseUrl" $.service) | default .keys.databaseUrl)) }}
- name: DATABASE_EXCESS_RIGHTS
  value: {{ $values.postgres.excessRights }}
{{- end }}
{{- if and (eq $.service "grants") .keys.portalApiKey }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "TOKEN_VERIFICATION_API_KEY" "secret" .name "key" .keys.portalApiKey) }}
{{- end }}
{{- if and (eq $.service "portal") .keys.portalApiKey }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "GRANTS_API_KEY" "secret" .name "key" .keys.portalApiKey) }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "TOKEN_VERIFICATION_API_KEY" "secret" .name "key" .keys.portalApiKey) }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "SIGNALS_API_KEY" "secret" .name "key" .keys.portalApiKey) }}
{{- end }}
{{- if eq $.service "token-verification" }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "RESCIND_INTROSPECTION_CLIENTS" "secret" .name "key" .keys.introspectionClients) }}
{{- if $values.tokenVerification.introspectionIssuer }}
- name: RESCIND_INTROSPECTION_ISSUER
  value: {{ $values.tokenVerification.introspectionIssuer | quote }}
{{- if .keys.introspectionSigningKey }}
{{ include "rescind.secretEnv" (dict "asFile" $asFiles "name" "RESCIND_INTROSPECTION_SIGNING_KEY" "secret" .name "key" .keys.introspectionSigningKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $values.postgres.caSecretName }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/rescind/postgres/ca.crt
{{- end }}
{{- if eq .service "portal" }}
- name: WEBHOOK_BASE_URL
  value: {{ $values.portal.webhookBaseUrl | default (printf "https://%s" (required "webhookIngress.host is required (or portal.webhookBaseUrl): where WorkOS reaches webhook-ingress" $values.webhookIngress.host)) | quote }}
{{- if $values.portal.providersFile.configMapName }}
- name: RESCIND_PROVIDERS_FILE
  value: /etc/rescind/providers/{{ $values.portal.providersFile.key }}
{{- end }}
- name: WEBHOOK_INGRESS_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "webhook-ingress") }}
{{- end }}
{{- if eq .service "grants" }}
- name: WEBHOOK_INGRESS_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "webhook-ingress") }}
- name: TOKEN_VERIFICATION_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "token-verification") }}
{{- end }}
{{- if eq .service "portal" }}
- name: GRANTS_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "grants") }}
- name: TOKEN_VERIFICATION_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "token-verification") }}
{{- if $values.signals.issuer }}
- name: SIGNALS_URL
  value: http://{{ include "rescind.name" (dict "root" .root "service" "signals") }}
{{- end }}
{{- if $values.portal.publicUrl }}
- name: PUBLIC_URL
  value: {{ $values.portal.publicUrl | quote }}
{{- end }}
{{- end }}
{{- if eq .service "signals" }}
- name: SIGNALS_ISSUER
  value: {{ $values.signals.issuer | quote }}
{{- end }}
{{- if $values.trustedProxies }}
- name: TRUSTED_PROXIES
  value: {{ join "," $values.trustedProxies | quote }}
{{- end }}
{{- if and (eq .service "webhook-ingress") $values.webhookIngress.sources }}
- name: WEBHOOK_SOURCES
  value: {{ join "," $values.webhookIngress.sources | quote }}
{{- end }}
{{- range $name, $value := .config.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}


{{/* The settings of a migration Job: those of the database alone. */}}
{{- define "rescind.migrationEnv" -}}
{{- $values := .root.Values -}}
{{- $secret := $values.secret -}}
- name: LOG_LEVEL
  value: {{ $values.logLevel }}
# The role that the service works with: it is given its rights here.
{{ include "rescind.secretEnv" (dict "asFile" $secret.asFiles "name" "DATABASE_URL" "secret" $secret.name "key" (index $secret.keys (printf "%sDatabaseUrl" .service) | default $secret.keys.databaseUrl)) }}
{{- if $secret.keys.migrationDatabaseUrl }}
{{ include "rescind.secretEnv" (dict "asFile" $secret.asFiles "name" "MIGRATION_DATABASE_URL" "secret" $secret.name "key" $secret.keys.migrationDatabaseUrl) }}
{{- end }}
{{- if $values.postgres.caSecretName }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/rescind/postgres/ca.crt
{{- end }}
{{- end -}}
