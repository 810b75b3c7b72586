-- Health of a CryptoSource, for Argo CD: its conditions, in the order in which they decide.
local health = {status = "Progressing", message = "Waiting for the operator"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local function is(name, value)
  return found[name] ~= nil and found[name].status == value
end
local ready = found["Ready"]
if ready ~= nil and ready.message ~= nil then
  health.message = ready.message
end
if is("Stalled", "True") then
  health.status = "Degraded"
  health.message = found["Stalled"].message
elseif is("Suspended", "True") then
  health.status = "Suspended"
elseif is("Reconciling", "True") then
  health.status = "Progressing"
elseif is("Ready", "True") then
  health.status = "Healthy"
elseif is("Ready", "False") then
  health.status = "Degraded"
end
return health
