
:
xPlaceholder*
dtype0*
shape:

ySwitchxx