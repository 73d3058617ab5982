-- Argo CD's health of a ClaudeCredential. docs/gitops.md says how to install it.
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "no refresher has looked at this spec yet"}
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(kind, status)
  return conditions[kind] ~= nil and conditions[kind].status == status
end

local function judged(health, kind)
  local condition = conditions[kind]
  return {status = health, message = condition.reason .. ": " .. (condition.message or "")}
end

if is("Stalled", "True") then
  return judged("Degraded", "Stalled")
elseif is("Suspended", "True") then
  return judged("Suspended", "Suspended")
elseif is("Ready", "True") then
  return judged("Healthy", "Ready")
elseif is("Reconciling", "True") then
  return judged("Progressing", "Reconciling")
elseif is("Ready", "False") then
  return judged("Degraded", "Ready")
end
return {status = "Progressing", message = "there is no condition Ready yet"}
