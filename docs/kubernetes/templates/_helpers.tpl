{{/* What every object is labelled with. Called with the root and the component, "" for none. */}}
{{- define "otpost.labels" -}}
{{ include "otpost.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What pods are found by, in the same way. */}}
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

{{/* Of a pod, what web, worker and beat have in common. Called with the root and the component. */}}
{{- define "otpost.pod" -}}
metadata:
  labels:
    {{- include "otpost.labels" . | nindent 4 }}
  annotations:
    # Pods read the settings when they start, so a change has to start new ones.
    checksum/settings: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
spec:
  automountServiceAccountToken: false
  # Otherwise every Service of the namespace becomes variables in here.
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
  # Not all on one node, where there are more.
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

{{/* Of a container, the same. */}}
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
