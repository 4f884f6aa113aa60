{{/* The labels of every object. Called with the root and the component; "" for no component. */}}
{{- define "otpost.labels" -}}
{{ include "otpost.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The labels that select pods. Called in the same way. */}}
{{- define "otpost.selector" -}}
app.kubernetes.io/name: otpost
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* The Secret that holds what is secret. */}}
{{- define "otpost.secret" -}}
{{ .Values.secret | default .Release.Name }}
{{- end }}

{{/* The parts of a pod that web, worker and beat share. Called with the root and the component. */}}
{{- define "otpost.pod" -}}
metadata:
  labels:
    {{- include "otpost.labels" . | nindent 4 }}
  annotations:
    # Pods read the settings when they start, so a change has to start new ones.
    checksum/settings: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
spec:
  automountServiceAccountToken: false
  # Otherwise Kubernetes adds environment variables for every Service of the namespace.
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    # The image's own user.
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  # Spread the pods over the nodes, if there are several.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "otpost.selector" . | nindent 10 }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with .root.Values.tls.secret }}
    - name: tls
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
{{- end }}

{{/* The parts of a container that they share. Called in the same way. */}}
{{- define "otpost.container" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
envFrom:
  - configMapRef:
      name: {{ .root.Release.Name }}
  - secretRef:
      name: {{ include "otpost.secret" .root }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .root.Values.tls.secret }}
  - name: tls
    mountPath: /run/secrets/tls
    readOnly: true
  {{- end }}
resources:
  {{- toYaml (index .root.Values .component).resources | nindent 2 }}
{{- end }}
