
:
xPlaceholder*
dtype0*
shape:
;
yConv2Dxx*
strides

*
paddingSAME