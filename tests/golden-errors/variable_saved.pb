¦
"servex
:
xPlaceholder*
dtype0*
shape:

vVarHandleOp

wReadVariableOpv

yAddV2xw*!
serving_default
out
y:0